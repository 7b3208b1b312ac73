-- Deletes a gallery with all that is in it; its head and stream stay, so that versions never fall and the audit is kept.
-- KEYS: meta, head, changes, people, order, expiry, templates. ARGV: token, keep, note...
local meta, head, changes = KEYS[1], KEYS[2], KEYS[3]
local token, keep = ARGV[1], ARGV[2]

local last = redis.call('HMGET', meta, 'info', 'born', 'people', 'faces')
if not last[1] then return {'NOT_FOUND'} end
local version = redis.call('HINCRBY', head, 'version', 1)
local parent = redis.call('HGET', head, 'token') or ''
redis.call('HSET', head, 'token', token)
redis.call('UNLINK', meta, unpack(KEYS, 4))
redis.call('XADD', changes, 'MAXLEN', '~', keep, version .. '-0', 'token', token, 'parent', parent, unpack(ARGV, 3))
return {'DONE', tostring(version), unpack(last)}
