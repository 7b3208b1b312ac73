#!/bin/sh
# scripts/restore.sh [--erase-again] [--journal FILE] < galleries.tar.gz: puts back what scripts/backup.sh wrote, and replaces every
# gallery there is now. It lists who was erased since the backup, from the audit of the data that it replaces and from the journal
# (CONVOY_ERASURE_JOURNAL); with --erase-again they are erased again before anybody can find them.
# The archive is loaded by a server of its own first; if anything fails, the data that was there runs on.
set -eu
cd "$(dirname "$0")/.."
umask 077
erase="" journal=/dev/null
while [ $# -gt 0 ]; do
  case $1 in
    --erase-again) erase=--erase ;;
    --journal) journal=$2; shift ;;
    *) echo "usage: scripts/restore.sh [--erase-again] [--journal FILE] < galleries.tar.gz" >&2; exit 2 ;;
  esac
  shift
done
erased=""
trap 'rm -f "$erased"' EXIT
# Not every shell does that by itself when it is interrupted.
trap 'exit 130' HUP INT TERM
erased=$(mktemp)
functions=$(cat scripts/redis_data.sh)

in_redis() {
  docker compose run --rm -T --no-deps --entrypoint sh redis -euc "$functions
$1"
}

recovery() { docker compose run --rm -T --no-deps --entrypoint python recognition -m convoy.recognition.recovery "$@"; }

. scripts/start_services.sh

[ -r "$journal" ] || { echo "the journal $journal cannot be read" >&2; exit 1; }
in_redis take_in
# First, so that nobody is erased after the list is made.
docker compose stop recognition
recovery list </dev/null >"$erased" || echo "the audit of the data that is replaced cannot be read: only the journal tells what was erased" >&2
cat "$journal" >>"$erased"
docker compose stop redis
if ! { in_redis put_in_place && start redis && recovery renew $erase <"$erased" && start recognition; }; then
  echo "the archive cannot be served; the data from before is put back" >&2
  docker compose stop recognition redis
  in_redis put_back
  start redis
  start recognition
  exit 1
fi
in_redis forget_replaced
