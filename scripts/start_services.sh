# How restore.sh and repair.sh start again what they stopped.

# `docker compose start` would also wait for what the script did not stop.
start() {
  docker start $(docker compose ps --all --quiet "$1") >/dev/null || return 1
  running=$(docker compose ps --quiet "$1")
  [ -n "$running" ] || { echo "$1 does not run: see docs/runbook.md" >&2; return 1; }
  for container in $running; do
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
