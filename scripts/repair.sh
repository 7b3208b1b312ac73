#!/bin/sh
# scripts/repair.sh: for a Redis that is started again and again because the end of its log is damaged (*Bad file format* in its log,
# after a full disk or a crash of the machine). It keeps a copy, cuts off what cannot be read, starts Redis and recognition, and says
# what the last change is that is left. Versions are of a new epoch then.
set -eu
cd "$(dirname "$0")/.."
umask 077
functions=$(cat scripts/redis_data.sh)

in_redis() {
  docker compose run --rm -T --no-deps --entrypoint sh redis -euc "$functions
$1"
}

. scripts/start_services.sh

recovery() { docker compose run --rm -T --no-deps --entrypoint python recognition -m convoy.recognition.recovery "$@"; }

docker compose stop recognition redis
in_redis mend_log
start redis
recovery renew </dev/null
recovery last </dev/null >&2
start recognition
echo "the damaged log is in the folder damaged of Redis's volume; it holds templates: delete it when you do not need it" >&2
