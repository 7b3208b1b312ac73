#!/bin/sh
# scripts/restore.sh < galleries.tar.gz: puts back what scripts/backup.sh wrote, and replaces every gallery there is now.
set -eu
cd "$(dirname "$0")/.."

docker compose stop recognition redis
docker compose run --rm -T --no-deps --entrypoint sh redis -euc '
  rm -rf /data/restored && mkdir /data/restored
  tar -C /data/restored -xzf -
  rm -rf /data/appendonlydir
  mv /data/restored/appendonlydir /data/
  rmdir /data/restored
'
# `docker compose start` would also wait for faces, which this script did not stop.
docker start $(docker compose ps --all --quiet redis recognition) >/dev/null
for container in $(docker compose ps --quiet recognition); do
  for _ in $(seq 300); do
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ] && continue 2
    sleep 1
  done
  echo "recognition is not healthy after five minutes: see docs/runbook.md" >&2
  exit 1
done
