#!/bin/sh
# Stands for `docker` where a test runs scripts/backup.sh and scripts/restore.sh on a Redis of its own: what they do inside Redis's
# container is done here, in the folder $DATA. Recognition is healthy if $DATA says so, and does not start if that is broken; before it
# stops it does what $DATA/at_stop says.
set -eu
running() { [ -s "$DATA/pid" ] && kill -0 "$(cat "$DATA/pid")" 2>/dev/null; }
case "$*" in
  "compose exec -T redis sh -euc"*) shift 6; exec sh -euc "$1" ;;
  "compose run --rm -T --no-deps --entrypoint sh redis -euc"*) shift 9; exec sh -euc "$1" ;;
  "compose run --rm -T --no-deps --entrypoint python recognition"*) shift 8; exec "$PYTHON" "$@" ;;
  "compose stop"*)
    case "$*" in *recognition*) [ ! -e "$DATA/at_stop" ] || sh "$DATA/at_stop" ;; esac
    case "$*" in *redis*) ! running || { kill "$(cat "$DATA/pid")"; while running; do sleep 0.05; done; } ;; esac ;;
  "compose ps --quiet recognition") grep -q broken "$DATA/recognition" || echo recognition ;;
  "compose ps"*) for word in "$@"; do last=$word; done; echo "$last" ;;
  "start redis")
    running || { redis-server --port 0 --unixsocket "$DATA/redis.sock" --dir "$DATA" --appendonly yes --save "" --requirepass secret --repl-diskless-sync-delay 0 \
      >/dev/null 2>&1 & echo $! >"$DATA/pid"; } ;;
  "start recognition") ! grep -q broken "$DATA/recognition" ;;
  inspect*redis) [ "$(REDISCLI_AUTH=secret redis-cli -s "$DATA/redis.sock" ping 2>/dev/null)" != PONG ] || echo healthy ;;
  inspect*recognition) cat "$DATA/recognition" ;;
  *) echo "fake docker: $*" >&2; exit 9 ;;
esac
