-- Replaces what was chosen for a gallery. KEYS: meta, head, changes. ARGV: before, after, max_people, max_faces, token, keep, note...
local meta, head, changes = KEYS[1], KEYS[2], KEYS[3]
local before, after, max_people, max_faces, token, keep = unpack(ARGV, 1, 6)

local now = redis.call('HGET', meta, 'info')
if not now then return {'NOT_FOUND'} end
if now ~= before then
  -- The same change sent again after a lost connection is done already.
  if now == after and redis.call('HGET', head, 'token') == token then
    return {'DONE', redis.call('HGET', head, 'version')}
  end
  return {'CONFLICT'}
end

local version = redis.call('HINCRBY', head, 'version', 1)
local parent = redis.call('HGET', head, 'token') or ''
redis.call('HSET', head, 'token', token)
redis.call('HSET', meta, 'info', after, 'max_people', max_people, 'max_faces', max_faces)
redis.call('XADD', changes, 'MAXLEN', '~', keep, version .. '-0', 'token', token, 'parent', parent, unpack(ARGV, 7))
return {'DONE', tostring(version)}
