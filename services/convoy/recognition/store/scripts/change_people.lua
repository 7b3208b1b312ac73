-- Makes writes one after the other. Each takes people from one state to the next, all of its people or none, the templates,
-- counters, stream and remembered answer with them.
-- KEYS: meta, head, changes, people, order, expiry, templates, outcomes of this very batch, the request of each write that
--   has one...
-- ARGV: born, keep, resent_s ('0': every write has a request), then in MessagePack a list of writes. A write is
--   {has a request (1 or 0), answer, lifetime_s, the version that it must be made on ('' is any), changes}, a change
--   {person_id, before, after ('' is absence), expire_ms ('' is never), token, {note...}, {fields removed...}, {fields added...}};
--   then the templates of all fields added, in that order: Lua hashes every byte of a string, so they come unpacked.
-- Gives an outcome for each write. What was added is written many at a time: each command costs more than what it writes.
local meta, head, changes, people, order, expiry, templates, batch = unpack(KEYS, 1, 8)
local born, keep, resent_s = ARGV[1], ARGV[2], ARGV[3]
local AT_ONCE = 1000

if resent_s ~= '0' then
  local outcomes = redis.call('GET', batch)
  if outcomes then return cmsgpack.unpack(outcomes) end
end
local gallery = redis.call('HMGET', meta, 'born', 'people', 'faces', 'max_people', 'max_faces')
if gallery[1] ~= born then return {{'NOT_FOUND'}} end
local count = {people = tonumber(gallery[2]), faces = tonumber(gallery[3])}
local most = {people = tonumber(gallery[4]) or 0, faces = tonumber(gallery[5]) or 0}
local last = redis.call('HMGET', head, 'version', 'token')
local version, parent = tonumber(last[1]), last[2]
local writes = cmsgpack.unpack(ARGV[4])

-- The record of everybody who is named, as it is after the writes made so far; '' for nobody.
local records = {}
local function read(ids)
  local found = redis.call('HMGET', people, unpack(ids))
  for i, id in ipairs(ids) do records[id] = found[i] or '' end
end
local ids = {}
for _, write in ipairs(writes) do
  for _, change in ipairs(write[5]) do
    ids[#ids + 1] = change[1]
    if #ids == AT_ONCE then read(ids) ids = {} end
  end
end
if #ids > 0 then read(ids) end

local waiting, template = {}, 4
local function flush()
  for _, one in ipairs(waiting) do redis.call(one.command, one.key, unpack(one.words)) end
  waiting = {}
end
local function add(command, key, word, value)
  local one = waiting[key]
  if not one or #one.words >= AT_ONCE then
    one = {command = command, key = key, words = {}}
    waiting[key], waiting[#waiting + 1] = one, one
  end
  one.words[#one.words + 1], one.words[#one.words + 2] = word, value
end

local function refuse(changed, at_version)
  if at_version ~= '' and at_version ~= version then return {'CONFLICT'} end
  local grown = {people = 0, faces = 0}
  for _, change in ipairs(changed) do
    local id, before, after, removed, added = change[1], change[2], change[3], change[7], change[8]
    if records[id] ~= before then return {'CONFLICT'} end
    if before == '' and after ~= '' then grown.people = grown.people + 1 end
    if before ~= '' and after == '' then grown.people = grown.people - 1 end
    grown.faces = grown.faces + #added - #removed
  end
  for _, what in ipairs({'people', 'faces'}) do
    if grown[what] > 0 and most[what] > 0 and count[what] + grown[what] > most[what] then
      return {'FULL', what, tostring(most[what])}
    end
  end
  count.people, count.faces = count.people + grown.people, count.faces + grown.faces
end

local function apply(change)
  local id, before, after, expire_ms, token, note, removed, added = unpack(change)
  if #removed > 0 or after == '' then flush() end
  if #removed > 0 then redis.call('HDEL', templates, unpack(removed)) end
  for i, field in ipairs(added) do add('HSET', templates, field, ARGV[template + i]) end
  if after == '' then
    redis.call('HDEL', people, id)
    redis.call('ZREM', order, id)
  else
    add('HSET', people, id, after)
    if before == '' then add('ZADD', order, 0, id) end
  end
  records[id] = after
  if after ~= '' and expire_ms ~= '' then
    redis.call('ZADD', expiry, string.format('%.0f', expire_ms), id)
  elseif before ~= '' then
    redis.call('ZREM', expiry, id)
  end
  version = version + 1
  local entry = string.format('%.0f-0', version)
  redis.call('XADD', changes, 'MAXLEN', '~', keep, entry, 'token', token, 'parent', parent, unpack(note))
  parent = token
end

local outcomes, requests = {}, 8
for i, write in ipairs(writes) do
  local has_request, answer, lifetime_s, at_version, changed = unpack(write)
  local remembered = {}
  if has_request == 1 then
    requests = requests + 1
    remembered = redis.call('HMGET', KEYS[requests], 'version', 'answer')
  end
  outcomes[i] = remembered[1] and {'REPEATED', remembered[1], remembered[2]} or refuse(changed, at_version)
  local is_made = not outcomes[i]
  for _, change in ipairs(changed) do
    if is_made then apply(change) end
    template = template + #change[8]
  end
  if is_made then
    local now = string.format('%.0f', version)
    outcomes[i] = {'DONE', now}
    if has_request == 1 then
      redis.call('HSET', KEYS[requests], 'version', now, 'answer', answer)
      redis.call('EXPIRE', KEYS[requests], lifetime_s)
    end
  end
end
flush()
if parent ~= last[2] then
  redis.call('HSET', head, 'version', string.format('%.0f', version), 'token', parent)
  redis.call('HSET', meta, 'people', count.people, 'faces', count.faces)
  if resent_s ~= '0' then redis.call('SET', batch, cmsgpack.pack(outcomes), 'EX', resent_s) end
end
return outcomes
