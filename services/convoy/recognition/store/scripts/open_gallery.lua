-- Gives a gallery as it is, after making its head and counters agree with its stream and its records, where a version of Convoy
-- that could stop half-way left them apart. If its history is no longer the one that the caller knows, it begins an epoch.
-- KEYS: meta, head, changes, people, templates. ARGV: a new epoch, then version, token and epoch that the caller knows ('0', '', ''
-- for none). Gives info, born, people, faces, later, version, token, epoch, and the names of what was mended;
-- or nothing.
local meta, head, changes, people, templates = unpack(KEYS)
local new_epoch, known_version, known_token, known_epoch = unpack(ARGV)
if redis.call('EXISTS', meta) == 0 then return {} end

local mended = {}
local function fact_of(entry, name)
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == name then return entry[2][i + 1] end
  end
end
local version, parent, had, epoch = history(head, changes)
local had_epoch = epoch

-- History was cut if a change that the caller took in is not in it, unless it was only trimmed.
local function was_cut()
  local known = tonumber(known_version)
  if known == 0 or known_epoch ~= epoch then return false end
  if version < known then return true end
  local id = known_version .. '-0'
  local entry = redis.call('XRANGE', changes, id, id)[1]
  if entry then return fact_of(entry, 'token') ~= known_token end
  local oldest = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1]
  return oldest ~= nil and tonumber(string.match(oldest[1], '^%d+')) <= known
end

if version > (tonumber(had) or 0) then
  local token = fact_of(redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1], 'token') or ''
  will_move(head, version, token, had, parent)
  parent, mended[1] = token, 'version'
end
if epoch == '' or was_cut() then
  will({'HSET', head, 'epoch', new_epoch}, {epoch == '' and {'HDEL', head, 'epoch'} or {'HSET', head, 'epoch', epoch}})
  if epoch ~= '' then mended[#mended + 1] = 'epoch' end
  epoch = new_epoch
end
local counted = redis.call('HMGET', meta, 'info', 'born', 'people', 'faces', 'later')
local count = {tostring(redis.call('HLEN', people)), tostring(redis.call('HLEN', templates))}
for i, what in ipairs({'people', 'faces'}) do
  local before = counted[i + 2]
  if before ~= count[i] then
    will({'HSET', meta, what, count[i]}, {before and {'HSET', meta, what, before} or {'HDEL', meta, what}})
    counted[i + 2], mended[#mended + 1] = count[i], what
  end
end
-- A store that takes no writes for now is read all the same.
if make() then mended, epoch = {}, had_epoch end
return {counted[1], counted[2], counted[3], counted[4], counted[5], number(version), parent, epoch, mended}
