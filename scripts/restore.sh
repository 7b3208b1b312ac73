#!/bin/sh
# scripts/restore.sh < galleries.tar.gz: puts back what scripts/backup.sh wrote, and replaces every gallery there is now.
# The archive is loaded by a server of its own first; if anything fails, the data that was there runs on.
set -eu
cd "$(dirname "$0")/.."
umask 077
functions=$(cat scripts/redis_data.sh)

in_redis() {
  docker compose run --rm -T --no-deps --entrypoint sh redis -euc "$functions
$1"
}

# `docker compose start` would also wait for what this script did not stop.
start() {
  docker start $(docker compose ps --all --quiet "$1") >/dev/null
  for container in $(docker compose ps --quiet "$1"); do
    seconds=0
    until [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; do
      seconds=$((seconds + 1))
      if [ "$seconds" -gt "${HEALTHY_WITHIN_S:-300}" ]; then
        echo "$1 is not healthy after ${HEALTHY_WITHIN_S:-300} s: see docs/runbook.md" >&2
        return 1
      fi
      sleep 1
    done
  done
}

in_redis take_in
docker compose stop recognition redis
in_redis put_in_place
if ! { start redis && start recognition; }; then
  echo "the archive cannot be served; the data from before is put back" >&2
  docker compose stop recognition redis
  in_redis put_back
  start redis
  start recognition
  exit 1
fi
in_redis forget_replaced
