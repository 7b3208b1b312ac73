-- Makes writes one after the other. Each takes people from one state to the next, all of its people or none, the templates,
-- counters, stream and remembered answer with them.
-- KEYS: meta, head, changes, people, order, expiry, templates, found, outcomes of this very batch, the request of each write that
--   has one...
-- ARGV: born, keep, resent_s ('0': every write has a request), then in MessagePack a list of writes. A write is
--   {has a request (1 or 0), answer, lifetime_s, the version that it must be made on ('' is any), changes, digest of what was
--   asked, the epoch of that version ('' is any)}, a change
--   {person_id, before, after ('' is absence), expire_ms ('' is never), token, {note...}, {fields removed...}, {fields added...},
--   {{field of a label in meta, label}...}, {fields of labels removed...}, {words of the index removed...}, {and added...}};
--   then the templates of all fields added, in that order: Lua hashes every byte of a string, so they come unpacked.
-- Gives an outcome for each write. What was added is written many at a time: each command costs more than what it writes.
local meta, head, changes, people, order, expiry, templates, found, batch = unpack(KEYS, 1, 9)
local born, keep, resent_s = ARGV[1], ARGV[2], ARGV[3]

if resent_s ~= '0' then
  local outcomes = redis.call('GET', batch)
  if outcomes then return cmsgpack.unpack(outcomes) end
end
local gallery = redis.call('HMGET', meta, 'born', 'people', 'faces', 'max_people', 'max_faces')
if gallery[1] ~= born then return {{'NOT_FOUND'}} end
local had = {people = tonumber(gallery[2]) or 0, faces = tonumber(gallery[3]) or 0}
local count = {people = had.people, faces = had.faces}
local most = {people = tonumber(gallery[4]) or 0, faces = tonumber(gallery[5]) or 0}
local version, parent, had_version, epoch = history(head, changes)
local first, had_token, entries = version, parent, {}
local writes = cmsgpack.unpack(ARGV[4])

-- The record of everybody who is named, as it is after the writes made so far; '' for nobody.
local records, expires = {}, {}
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
  for _, one in ipairs(waiting) do will(one.words, one.back) end
  waiting = {}
end
local function add(command, key, word, value, back)
  local one = waiting[key]
  if not one or #one.words >= AT_ONCE then
    one = {words = {command, key}, back = {}}
    waiting[key], waiting[#waiting + 1] = one, one
  end
  one.words[#one.words + 1], one.words[#one.words + 2] = word, value
  one.back[#one.back + 1] = back
end

local function refuse(changed, at_version, at_epoch)
  if at_version ~= '' and at_version ~= version then return {'CONFLICT'} end
  -- After history was cut, the same number is another version.
  if at_epoch ~= '' and at_epoch ~= epoch then return {'CONFLICT'} end
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

local function remove(key, fields)
  for start = 1, #fields, AT_ONCE do
    local some = {unpack(fields, start, math.min(start + AT_ONCE - 1, #fields))}
    local kept, back = redis.call('HMGET', key, unpack(some)), {}
    for i, field in ipairs(some) do
      if kept[i] then back[#back + 1] = {'HSET', key, field, kept[i]} end
    end
    will({'HDEL', key, unpack(some)}, back)
  end
end

local function expire(id, at)
  local before = expires[id]
  if before == nil then before = redis.call('ZSCORE', expiry, id) end
  if not before and not at then return end
  local back = before and {'ZADD', expiry, before, id} or {'ZREM', expiry, id}
  will(at and {'ZADD', expiry, at, id} or {'ZREM', expiry, id}, {back})
  expires[id] = at or false
end

local function apply(change)
  local id, before, after, expire_ms, token, note, removed, added, labels, unlabelled, unfound, newly = unpack(change)
  if #removed > 0 or #unfound > 0 or after == '' then flush() end
  remove(templates, removed)
  remove(meta, unlabelled)
  for _, label in ipairs(labels) do add('HSET', meta, label[1], label[2], {'HDEL', meta, label[1]}) end
  for start = 1, #unfound, AT_ONCE do
    local back = {'ZADD', found}
    local some = {unpack(unfound, start, math.min(start + AT_ONCE - 1, #unfound))}
    for _, word in ipairs(some) do back[#back + 1], back[#back + 2] = 0, word end
    will({'ZREM', found, unpack(some)}, {back})
  end
  for _, word in ipairs(newly) do add('ZADD', found, 0, word, {'ZREM', found, word}) end
  for i, field in ipairs(added) do
    add('HSET', templates, field, ARGV[template + i], {'HDEL', templates, field})
  end
  local back = before == '' and {'HDEL', people, id} or {'HSET', people, id, before}
  if after ~= '' then
    add('HSET', people, id, after, back)
    if before == '' then add('ZADD', order, 0, id, {'ZREM', order, id}) end
  elseif before ~= '' then
    will({'HDEL', people, id}, {back})
    will({'ZREM', order, id}, {{'ZADD', order, 0, id}})
  end
  records[id] = after
  if after ~= '' and expire_ms ~= '' then
    expire(id, number(expire_ms))
  elseif before ~= '' then
    expire(id, false)
  end
  version = version + 1
  entries[#entries + 1] = {version, token, parent, note}
  parent = token
end

local outcomes, answered, requests = {}, {}, 9
for i, write in ipairs(writes) do
  local has_request, answer, lifetime_s, at_version, changed, digest, at_epoch = unpack(write)
  local remembered, request = {}, nil
  if has_request == 1 then
    requests = requests + 1
    request = KEYS[requests]
    remembered = answered[request] or redis.call('HMGET', request, 'version', 'answer', 'digest', 'epoch')
  end
  if remembered[1] then
    outcomes[i] = {'REPEATED', remembered[1], remembered[2], remembered[3] or '', remembered[4] or ''}
  else
    outcomes[i] = refuse(changed, at_version, at_epoch)
  end
  local is_made = not outcomes[i]
  for _, change in ipairs(changed) do
    if is_made then apply(change) end
    template = template + #change[8]
  end
  if is_made then
    local now = number(version)
    outcomes[i] = {'DONE', now, epoch}
    if request then
      answered[request] = {now, answer, digest, epoch}
      will({'HSET', request, 'version', now, 'answer', answer, 'digest', digest, 'epoch', epoch}, {{'DEL', request}})
      will({'EXPIRE', request, lifetime_s})
    end
  end
end
flush()
if #entries > 0 then
  will_move(head, version, parent, had_version, had_token)
  will_keep_found(head, first, version)
  will({'HSET', meta, 'people', count.people, 'faces', count.faces}, {{'HSET', meta, 'people', had.people, 'faces', had.faces}})
  if resent_s ~= '0' then will({'SET', batch, cmsgpack.pack(outcomes), 'EX', resent_s}, {{'DEL', batch}}) end
  for _, entry in ipairs(entries) do will_tell(changes, unpack(entry)) end
  local failed = make()
  if failed then return failed end
  redis.pcall('XTRIM', changes, 'MAXLEN', '~', keep)
  hint(meta)
end
return outcomes
