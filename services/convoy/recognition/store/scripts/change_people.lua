-- Makes writes one after the other. Each takes people from one state to the next, all of its people or none, the templates,
-- counters, stream and remembered answer with them.
-- KEYS: meta, head, changes, people, order, expiry, templates, the request of each write...
-- ARGV: born, keep, then for each write: number of its changes, answer, lifetime_s, the version that it must be
--   made on ('' is any), then for each change: person_id, before, after ('' is absence), expire_ms ('' is never), token,
--   number of the note's words, of faces removed and of faces added, note..., fields removed..., field and template of each face added...
-- Gives an outcome for each write.
local meta, head, changes, people, order, expiry, templates = unpack(KEYS, 1, 7)
local born, keep = ARGV[1], ARGV[2]

local gallery = redis.call('HMGET', meta, 'born', 'people', 'faces', 'max_people', 'max_faces')
if gallery[1] ~= born then return {{'NOT_FOUND'}} end
local count = {people = tonumber(gallery[2]), faces = tonumber(gallery[3])}
local most = {people = tonumber(gallery[4]) or 0, faces = tonumber(gallery[5]) or 0}
local last = redis.call('HMGET', head, 'version', 'token')
local version, parent = tonumber(last[1]), last[2]

local at = 3
local function read_write()
  local write = {count = tonumber(ARGV[at]), answer = ARGV[at + 1], lifetime_s = ARGV[at + 2], at_version = ARGV[at + 3]}
  at = at + 4
  for i = 1, write.count do
    local person_id, before, after, expire_ms, token, words, removed, added = unpack(ARGV, at, at + 7)
    local note = at + 8
    local fields = note + tonumber(words)
    local faces = fields + tonumber(removed)
    at = faces + 2 * tonumber(added)
    write[i] = {
      id = person_id, before = before, after = after, expire_ms = expire_ms, token = token,
      note = note, fields = fields, faces = faces, ends = at,
    }
  end
  return write
end

local function refuse(write)
  if write.at_version ~= '' and tonumber(write.at_version) ~= version then return {'CONFLICT'} end
  local grown = {people = 0, faces = 0}
  for _, one in ipairs(write) do
    if (redis.call('HGET', people, one.id) or '') ~= one.before then return {'CONFLICT'} end
    if one.before == '' and one.after ~= '' then grown.people = grown.people + 1 end
    if one.before ~= '' and one.after == '' then grown.people = grown.people - 1 end
    grown.faces = grown.faces + (one.ends - one.faces) / 2 - (one.faces - one.fields)
  end
  for _, what in ipairs({'people', 'faces'}) do
    if grown[what] > 0 and most[what] > 0 and count[what] + grown[what] > most[what] then
      return {'FULL', what, tostring(most[what])}
    end
  end
  count.people, count.faces = count.people + grown.people, count.faces + grown.faces
end

local function apply(one)
  if one.fields < one.faces then redis.call('HDEL', templates, unpack(ARGV, one.fields, one.faces - 1)) end
  if one.faces < one.ends then redis.call('HSET', templates, unpack(ARGV, one.faces, one.ends - 1)) end
  if one.after == '' then
    redis.call('HDEL', people, one.id)
    redis.call('ZREM', order, one.id)
  else
    redis.call('HSET', people, one.id, one.after)
    if one.before == '' then redis.call('ZADD', order, 0, one.id) end
  end
  if one.after ~= '' and one.expire_ms ~= '' then
    redis.call('ZADD', expiry, one.expire_ms, one.id)
  elseif one.before ~= '' then
    redis.call('ZREM', expiry, one.id)
  end
  version = version + 1
  local id = string.format('%.0f-0', version)
  redis.call('XADD', changes, 'MAXLEN', '~', keep, id, 'token', one.token, 'parent', parent, unpack(ARGV, one.note, one.fields - 1))
  parent = one.token
end

local outcomes = {}
for i = 1, #KEYS - 7 do
  local request, write = KEYS[7 + i], read_write()
  local remembered = redis.call('HMGET', request, 'version', 'answer')
  if remembered[1] then
    outcomes[i] = {'REPEATED', remembered[1], remembered[2]}
  else
    outcomes[i] = refuse(write)
    if not outcomes[i] then
      for _, one in ipairs(write) do apply(one) end
      local now = string.format('%.0f', version)
      redis.call('HSET', request, 'version', now, 'answer', write.answer)
      redis.call('EXPIRE', request, write.lifetime_s)
      outcomes[i] = {'DONE', now}
    end
  end
end
if parent ~= last[2] then
  redis.call('HSET', head, 'version', string.format('%.0f', version), 'token', parent)
  redis.call('HSET', meta, 'people', count.people, 'faces', count.faces)
end
return outcomes
