-- Takes one person from one state to the next, the templates, counters, stream and remembered answer with it.
-- KEYS: meta, head, changes, people, order, expiry, templates, request.
-- ARGV: born, person_id, before, after ('' is absence), expire_ms ('' is never), token, keep, answer, lifetime_s,
--   number of the note's words, number of faces removed, note..., fields removed..., field and template of each new face...
local meta, head, changes, people, order, expiry, templates, request = unpack(KEYS)
local born, person_id, before, after, expire_ms, token, keep, answer, lifetime_s = unpack(ARGV, 1, 9)
local note_ends = 11 + tonumber(ARGV[10])
local removed_ends = note_ends + tonumber(ARGV[11])

local gallery = redis.call('HMGET', meta, 'born', 'faces', 'max_faces', 'people')
if gallery[1] ~= born then return {'NOT_FOUND'} end
local remembered = redis.call('HMGET', request, 'version', 'answer')
if remembered[1] then return {'REPEATED', remembered[1], remembered[2]} end
local now = redis.call('HGET', people, person_id) or ''
if now ~= before then return {'CONFLICT'} end

local grown = (#ARGV - removed_ends) / 2 - tonumber(ARGV[11])
local max_faces = tonumber(gallery[3])
if grown > 0 and max_faces > 0 and tonumber(gallery[2]) + grown > max_faces then return {'FULL', gallery[3]} end

for i = note_ends + 1, removed_ends do redis.call('HDEL', templates, ARGV[i]) end
for i = removed_ends + 1, #ARGV, 2 do redis.call('HSET', templates, ARGV[i], ARGV[i + 1]) end
if after == '' then
  redis.call('HDEL', people, person_id)
  redis.call('ZREM', order, person_id)
else
  redis.call('HSET', people, person_id, after)
  if before == '' then redis.call('ZADD', order, 0, person_id) end
end
if after == '' or expire_ms == '' then
  redis.call('ZREM', expiry, person_id)
else
  redis.call('ZADD', expiry, expire_ms, person_id)
end

if grown ~= 0 then redis.call('HINCRBY', meta, 'faces', grown) end
if before == '' and after ~= '' then redis.call('HINCRBY', meta, 'people', 1) end
if before ~= '' and after == '' then redis.call('HINCRBY', meta, 'people', -1) end
local version = redis.call('HINCRBY', head, 'version', 1)
local parent = redis.call('HGET', head, 'token') or ''
redis.call('HSET', head, 'token', token)
redis.call('XADD', changes, 'MAXLEN', '~', keep, version .. '-0', 'token', token, 'parent', parent, unpack(ARGV, 12, note_ends))
redis.call('HSET', request, 'version', version, 'answer', answer)
redis.call('EXPIRE', request, lifetime_s)
return {'DONE', tostring(version)}
