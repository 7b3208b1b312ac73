# What backup.sh and restore.sh do inside Redis's container: functions on the folder in which Redis keeps its data.
# Needs Redis 7 or newer, whose append-only file is a folder of parts. DATA, LIVE: other places, for tests.
umask 077
DATA=${DATA:-/data}

# The running server.
live() { redis-cli ${LIVE:-} "$@"; }

# Begins a server of its own on FOLDER, and returns when it has loaded all that is there.
begin_apart() {
  redis-server --port 0 --unixsocket "$1/redis.sock" --dir "$1" --appendonly yes --appendfsync no --save "" \
    --aof-load-truncated no >"$1/log" 2>&1 &
  apart=$!
  until [ "$(redis-cli -s "$1/redis.sock" ping 2>/dev/null)" = PONG ]; do
    if ! kill -0 "$apart" 2>/dev/null; then
      echo "the copy cannot be loaded:" >&2
      tail -n 5 "$1/log" >&2
      return 1
    fi
    sleep 0.1
  done
}

end_apart() {
  redis-cli -s "$1/redis.sock" shutdown nosave >/dev/null 2>&1 || true
  wait "$apart" 2>/dev/null || true
  rm -f "$1/redis.sock" "$1/log"
}

# Loads the copy in FOLDER into a server of its own, and says what is in it. Fails if it cannot be loaded or holds nothing of Convoy.
verify() {
  begin_apart "$1" || return 1
  found=$(redis-cli -e -s "$1/redis.sock" eval '
    local galleries, people, faces, odd = 0, 0, 0, {}
    -- A key of another kind spoils its own gallery alone.
    local function count(key)
      local found = redis.pcall("HLEN", key)
      return type(found) == "number" and found or nil
    end
    for _, name in ipairs(redis.call("ZRANGE", "convoy:galleries", 0, -1)) do
      local key = "convoy:{" .. name .. "}:"
      local meta = redis.pcall("HMGET", key .. "meta", "people", "faces")
      if meta.err then
        odd[#odd + 1] = name
      elseif meta[1] then
        local had, has = count(key .. "people"), count(key .. "templates")
        if tostring(had) ~= meta[1] or tostring(has) ~= meta[2] then odd[#odd + 1] = name end
        galleries, people, faces = galleries + 1, people + (had or 0), faces + (has or 0)
      end
    end
    local told = galleries .. " galleries, " .. people .. " people, " .. faces .. " faces"
    return #odd == 0 and told or told .. "; the counters of " .. table.concat(odd, ", ") .. " were not right"
  ' 0) || { end_apart "$1"; return 1; }
  keys=$(redis-cli -e -s "$1/redis.sock" dbsize) || { end_apart "$1"; return 1; }
  end_apart "$1"
  echo "$found" >&2
  [ "${keys:-0}" -gt 0 ] || [ "${ALLOW_EMPTY:-}" = yes ] || { echo "the copy is empty" >&2; return 1; }
}

# Writes the state of this moment to standard output, as a tar of an append-only folder. Redis makes it as for a follower: all in
# one piece, whatever else it does meanwhile.
write_backup() {
  work=""
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' HUP INT TERM
  work=$(mktemp -d "$DATA/backup.XXXXXX")
  mkdir "$work/appendonlydir"
  live --rdb "$work/appendonlydir/appendonly.aof.1.base.rdb" >"$work/said" 2>&1 || { cat "$work/said" >&2; return 1; }
  echo "file appendonly.aof.1.base.rdb seq 1 type b" >"$work/appendonlydir/appendonly.aof.manifest"
  tar -C "$work" -czf - appendonlydir
}

# Unpacks an archive from standard input, and loads it once.
check_backup() {
  work=""
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' HUP INT TERM
  work=$(mktemp -d "$DATA/backup.XXXXXX")
  tar -C "$work" -xzf - && verify "$work"
}

# Unpacks an archive from standard input beside the data, and loads it once. What is there goes on.
take_in() {
  if [ -e "$DATA/replaced" ]; then
    echo "$DATA/replaced is there from a restore that was interrupted: it has the data from before; move it away, or delete it" >&2
    return 1
  fi
  rm -rf "$DATA/restored"
  mkdir "$DATA/restored"
  if ! { tar -C "$DATA/restored" -xzf - && verify "$DATA/restored"; }; then
    rm -rf "$DATA/restored"
    return 1
  fi
}

# With Redis stopped: puts what take_in unpacked in the place of the data, which stays beside it.
put_in_place() {
  mkdir "$DATA/replaced"
  if [ -e "$DATA/appendonlydir" ]; then mv "$DATA/appendonlydir" "$DATA/replaced/"; fi
  mv "$DATA/restored/appendonlydir" "$DATA/"
  rm -rf "$DATA/restored"
}

# With Redis stopped: puts the data from before put_in_place back.
put_back() {
  # Where put_in_place failed before it moved the restored data, what stands there is no restored data.
  [ -e "$DATA/restored/appendonlydir" ] || rm -rf "$DATA/appendonlydir"
  rm -rf "$DATA/restored"
  if [ -e "$DATA/replaced/appendonlydir" ]; then mv "$DATA/replaced/appendonlydir" "$DATA/"; fi
  rm -rf "$DATA/replaced"
}

forget_replaced() { rm -rf "$DATA/replaced"; }

# With Redis stopped: keeps a copy of the log beside it, and cuts off what cannot be read at its end. Says how much that was.
mend_log() {
  [ ! -e "$DATA/damaged" ] || { echo "$DATA/damaged is there from an earlier repair: look at it, then delete it" >&2; return 1; }
  # The disk may be full. Half a copy would stand in the way of the next try.
  cp -a "$DATA/appendonlydir" "$DATA/damaged" || { rm -rf "$DATA/damaged"; return 1; }
  # It asks whether to cut; without --fix it would only look.
  echo y | redis-check-aof --fix "$DATA/appendonlydir/appendonly.aof.manifest" >"$DATA/damaged/check" 2>&1 || {
    cat "$DATA/damaged/check" >&2
    return 1
  }
  before=$(cat "$DATA"/damaged/appendonly.aof.*.aof | wc -c)
  after=$(cat "$DATA"/appendonlydir/appendonly.aof.*.aof | wc -c)
  echo "$((before - after)) bytes at the end of the log could not be read and were cut off" >&2
}
