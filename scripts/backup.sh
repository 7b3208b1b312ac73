#!/bin/sh
# scripts/backup.sh > galleries.tar.gz: writes every gallery of the Compose deployment, which goes on working meanwhile.
# Redis makes a copy of one moment; a server of its own loads the copy before any of it is written. The archive can be read by its
# owner alone. The script ends with 0 only if the archive was loaded; otherwise it writes nothing.
set -eu
cd "$(dirname "$0")/.."
umask 077
copy=""
trap 'rm -f "$copy"' EXIT
# Not every shell does that by itself when it is interrupted.
trap 'exit 130' HUP INT TERM
copy=$(mktemp)
functions=$(cat scripts/redis_data.sh)

docker compose exec -T redis sh -euc "export REDISCLI_AUTH=\$(cat \${PASSWORD_FILE:-/run/redis-password/password})
$functions
write_backup" >"$copy"
docker compose run --rm -T --no-deps --entrypoint sh redis -euc "$functions
check_backup" <"$copy"
# The shell made the file that standard output leads to, with whatever rights it gives.
if [ -f /dev/stdout ]; then chmod 600 /dev/stdout; fi
cat "$copy"
