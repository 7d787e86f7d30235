#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# healthcheck [PID]: asks the node of this container (or PID) for /healthz,
# where its own words say that it listens: --http-listen of its command line,
# else of the environment, else as the program has it. The image has no curl;
# of a node with TLS it is only seen that it takes connections.
set -u

listen=
tls=${MEDIA_TREE_TLS_CERT:-}
role=${MEDIA_TREE_ROLE:-}
for file in /proc/${1:-[0-9]*}/cmdline; do
  mapfile -d '' -t words <"$file" 2>/dev/null || continue
  [ "${words[0]##*/}" = media-tree ] || continue
  for ((i = 1; i < ${#words[@]}; i++)); do
    case ${words[i]} in
      --http-listen=*) listen=${words[i]#*=} ;;
      --http-listen) listen=${words[i + 1]:-} ;;
      --role=*) role=${words[i]#*=} ;;
      --role) role=${words[i + 1]:-} ;;
      --tls-cert | --tls-cert=*) tls=yes ;;
    esac
  done
  break
done
default=7070
[ "$role" != metrics ] || default=${METRICS_PORT:-8090}
listen=${listen:-${MEDIA_TREE_HTTP_LISTEN:-127.0.0.1:$default}}
listen=${listen%%,*}
host=${listen%:*}
host=${host#[}
host=${host%]}
case $host in '' | '*' | 0.0.0.0 | ::) host=127.0.0.1 ;; esac

exec 3<>"/dev/tcp/$host/${listen##*:}" || exit 1
[ -z "$tls" ] || exit 0
printf 'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 2 _ status _ <&3 && [ "$status" = 200 ]
