#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes alertmanager.yml from its template and the environment, then becomes
# what the arguments say (Alertmanager when there are none). At least one of
# both receivers must be there:
#   ALERT_SLACK_URL_FILE      file with the incoming webhook's URL of Slack
#   ALERT_SLACK_CHANNEL       #alerts when unset
#   ALERT_WEBHOOK_URL_FILE    file with a URL that gets Alertmanager's JSON, or
#   ALERT_WEBHOOK_URL         that URL, when nothing in it is secret
#   ALERT_WEBHOOK_TOKEN_FILE  file with a bearer token for it (may be unset)
#   ALERTMANAGER_CONFIG       where to write; /alertmanager/alertmanager.yml
# Exit code 78: the environment is wrong; the message says how.
set -eu

template=$(dirname "$0")/alertmanager.yml.in
config=${ALERTMANAGER_CONFIG:-/alertmanager/alertmanager.yml}

fail() {
  echo "entrypoint: $*" >&2
  exit 78
}

# need_file NAME PATH: a secret that is there and not empty
need_file() {
  [ -r "$2" ] || fail "$1: cannot read $2"
  [ -s "$2" ] || fail "$1: $2 is empty"
}

# check_url NAME URL
check_url() {
  case $2 in
    *[[:space:]]*) fail "$1: has white space in it" ;;
    http://?* | https://?*) ;;
    *) fail "$1: is not http:// or https://" ;;
  esac
}

# quote VALUE: for YAML
quote() {
  printf "'"
  printf '%s' "$1" | sed "s/'/''/g"
  printf "'"
}

slack=no webhook=no webhook_token=no
SLACK_URL_FILE='' SLACK_CHANNEL='' WEBHOOK_URL='' WEBHOOK_TOKEN_FILE=''

if [ -n "${ALERT_SLACK_URL_FILE:-}" ]; then
  need_file ALERT_SLACK_URL_FILE "$ALERT_SLACK_URL_FILE"
  check_url ALERT_SLACK_URL_FILE "$(cat "$ALERT_SLACK_URL_FILE")"
  slack=yes
  SLACK_URL_FILE=$ALERT_SLACK_URL_FILE
  SLACK_CHANNEL=${ALERT_SLACK_CHANNEL:-#alerts}
  case $SLACK_CHANNEL in
    *[[:space:]]*) fail "ALERT_SLACK_CHANNEL: has white space in it" ;;
  esac
fi
if [ -n "${ALERT_WEBHOOK_URL_FILE:-}" ]; then
  need_file ALERT_WEBHOOK_URL_FILE "$ALERT_WEBHOOK_URL_FILE"
  WEBHOOK_URL=$(cat "$ALERT_WEBHOOK_URL_FILE")
  check_url ALERT_WEBHOOK_URL_FILE "$WEBHOOK_URL"
  webhook=yes
elif [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
  WEBHOOK_URL=$ALERT_WEBHOOK_URL
  check_url ALERT_WEBHOOK_URL "$WEBHOOK_URL"
  webhook=yes
fi
if [ -n "${ALERT_WEBHOOK_TOKEN_FILE:-}" ]; then
  [ $webhook = yes ] \
    || fail "ALERT_WEBHOOK_TOKEN_FILE: needs ALERT_WEBHOOK_URL_FILE"
  need_file ALERT_WEBHOOK_TOKEN_FILE "$ALERT_WEBHOOK_TOKEN_FILE"
  webhook_token=yes
  WEBHOOK_TOKEN_FILE=$ALERT_WEBHOOK_TOKEN_FILE
fi
[ $slack = yes ] || [ $webhook = yes ] \
  || fail "set ALERT_SLACK_URL_FILE or ALERT_WEBHOOK_URL_FILE: nobody would hear"

# put LINE: with its @NAME@, if it has one
put() {
  case $1 in
    *@SLACK_URL_FILE@*) value=$SLACK_URL_FILE ;;
    *@SLACK_CHANNEL@*) value=$SLACK_CHANNEL ;;
    *@WEBHOOK_URL@*) value=$WEBHOOK_URL ;;
    *@WEBHOOK_TOKEN_FILE@*) value=$WEBHOOK_TOKEN_FILE ;;
    *) printf '%s\n' "$1" && return ;;
  esac
  printf '%s%s\n' "${1%%@*}" "$(quote "$value")"
}

write() {
  is_wanted=yes
  while IFS= read -r line; do
    case $line in
      '#if SLACK') is_wanted=$slack ;;
      '#if WEBHOOK') is_wanted=$webhook ;;
      '#if WEBHOOK_TOKEN') is_wanted=$webhook_token ;;
      '#end') is_wanted=yes ;;
      '#'*) ;;
      *) if [ $is_wanted = yes ]; then put "$line"; fi ;;
    esac
  done <"$template"
}

umask 077
write >"$config.new"
mv "$config.new" "$config"
if [ $# -eq 0 ]; then
  set -- /bin/alertmanager --config.file="$config" --storage.path=/alertmanager
fi
exec "$@"
