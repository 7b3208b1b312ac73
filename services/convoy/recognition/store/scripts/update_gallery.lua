-- Replaces what was chosen for a gallery. KEYS: meta, head, changes. ARGV: before, after, max_people, max_faces, token, keep, note...
local meta, head, changes = KEYS[1], KEYS[2], KEYS[3]
local before, after, max_people, max_faces, token, keep = unpack(ARGV, 1, 6)

local now = redis.call('HMGET', meta, 'info', 'max_people', 'max_faces')
if not now[1] then return {'NOT_FOUND'} end
local version, parent, had = history(head, changes)
-- The same change sent again after a lost connection is done already.
if now[1] == after and parent == token then return {'DONE', had} end
if now[1] ~= before then return {'CONFLICT'} end

version = version + 1
will_move(head, version, token, had, parent)
local back = {'HSET', meta, 'info', before, 'max_people', now[2] or '0', 'max_faces', now[3] or '0'}
will({'HSET', meta, 'info', after, 'max_people', max_people, 'max_faces', max_faces}, {back})
will_tell(changes, version, token, parent, {unpack(ARGV, 7)})
local failed = make()
if failed then return failed end
redis.pcall('XTRIM', changes, 'MAXLEN', '~', keep)
hint(meta)
return {'DONE', number(version)}
