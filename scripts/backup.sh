#!/bin/sh
# scripts/backup.sh > galleries.tar.gz: writes every gallery of the Compose deployment, which goes on working meanwhile.
# Redis appends every change to its file, so a copy of the file's beginning is the state of an earlier moment. Only a
# rewrite of the file would spoil the copy, so this script keeps Redis from rewriting until the copy is complete.
set -eu
cd "$(dirname "$0")/.."

docker compose exec -T redis sh -euc '
  export REDISCLI_AUTH=$(cat /run/redis-password/password)
  rewriting() { redis-cli info persistence | grep -Eq "aof_rewrite_(in_progress|scheduled):1"; }
  before=$(redis-cli config get auto-aof-rewrite-percentage | tail -n 1)
  trap "redis-cli config set auto-aof-rewrite-percentage $before >/dev/null" EXIT
  redis-cli config set auto-aof-rewrite-percentage 0 >/dev/null
  while rewriting; do sleep 1; done
  tar -C /data -czf - --warning=no-file-changed appendonlydir || [ $? -eq 1 ]  # 1: the log grew while it was read
'
