-- Makes head and counters of a gallery agree with its stream and its records, where a version of Convoy that could stop
-- half-way left them apart. KEYS: meta, head, changes, people, templates. Gives the names of what was mended.
local meta, head, changes, people, templates = unpack(KEYS)
if redis.call('EXISTS', meta) == 0 then return {} end

local mended = {}
local version, parent, had = history(head, changes)
if version > (tonumber(had) or 0) then
  local newest, token = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1], ''
  for i = 1, newest and #newest[2] or 0, 2 do
    if newest[2][i] == 'token' then token = newest[2][i + 1] end
  end
  will_move(head, version, token, had, parent)
  mended[1] = 'version'
end
local counted = redis.call('HMGET', meta, 'people', 'faces')
local count = {tostring(redis.call('HLEN', people)), tostring(redis.call('HLEN', templates))}
for i, what in ipairs({'people', 'faces'}) do
  if counted[i] ~= count[i] then
    local back = counted[i] and {'HSET', meta, what, counted[i]} or {'HDEL', meta, what}
    will({'HSET', meta, what, count[i]}, {back})
    mended[#mended + 1] = what
  end
end
return make() or mended
