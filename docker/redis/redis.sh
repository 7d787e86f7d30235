#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# redis.sh redis|replica|sentinel|check: the store of the compose file. The
# password comes from a file and goes by standard input or a file of mode 600,
# never by an argument.
#   min-replicas: a master that was cut off stops taking writes after 2 s, so
# that two never lead (what nodes write there is written again after it).
set -eu

secret=${REDIS_PASSWORD_FILE:-/run/secrets/redis-password}
data=${REDIS_DATA:-/data}
master=${REDIS_MASTER:-redis}
port=${REDIS_PORT:-6379}
sentinel_port=${SENTINEL_PORT:-26379}
password=$(cat "$secret")
umask 077

common() {
  printf '%s\n' "port $port" "dir $data" 'save ""' 'appendonly no' \
    "requirepass $password" "masterauth $password" \
    'min-replicas-to-write 1' 'min-replicas-max-lag 2' "$@"
}

case ${1:-} in
  # no pipe: the server is the process that is told to end
  redis) exec redis-server - <<END
$(common)
END
    ;;
  replica) exec redis-server - <<END
$(common "replicaof $master ${REDIS_MASTER_PORT:-$port}")
END
    ;;
  sentinel)
    # what it learned stays: only the first start writes it
    [ -s "$data/sentinel.conf" ] || printf '%s\n' \
      "port $sentinel_port" "dir $data" "requirepass $password" \
      "sentinel sentinel-pass $password" \
      'sentinel resolve-hostnames yes' 'sentinel announce-hostnames yes' \
      "sentinel monitor mymaster $master ${REDIS_MASTER_PORT:-$port} 2" \
      "sentinel auth-pass mymaster $password" \
      'sentinel down-after-milliseconds mymaster 1000' \
      'sentinel failover-timeout mymaster 10000' >"$data/sentinel.conf"
    exec redis-sentinel "$data/sentinel.conf" ;;
  check)
    export REDISCLI_AUTH="$password"
    redis-cli -p "$port" ping 2>/dev/null | grep -q PONG \
      || redis-cli -p "$sentinel_port" ping | grep -q PONG ;;
  *) echo "redis.sh redis|replica|sentinel|check" >&2; exit 64 ;;
esac
