-- Replaces what was chosen for a gallery. KEYS: meta, head, changes. ARGV: info and later before, the same after, max_people,
-- max_faces, token, keep, note... A replica of 0.1.0 changes info and leaves later as it is.
local meta, head, changes = KEYS[1], KEYS[2], KEYS[3]
local before, later_before, after, later, max_people, max_faces, token, keep = unpack(ARGV, 1, 8)

local now = redis.call('HMGET', meta, 'info', 'max_people', 'max_faces', 'later')
if not now[1] then return {'NOT_FOUND'} end
local version, parent, had = history(head, changes)
-- The same change sent again after a lost connection is done already.
if now[1] == after and (now[4] or '') == later and parent == token then return {'DONE', had} end
if now[1] ~= before or (now[4] or '') ~= later_before then return {'CONFLICT'} end

version = version + 1
will_move(head, version, token, had, parent)
will_keep_found(head, version - 1, version)
local back = {'HSET', meta, 'info', before, 'max_people', now[2] or '0', 'max_faces', now[3] or '0'}
will({'HSET', meta, 'info', after, 'max_people', max_people, 'max_faces', max_faces}, {back})
if later ~= later_before then
  local put_back = now[4] and {'HSET', meta, 'later', now[4]} or {'HDEL', meta, 'later'}
  will(later == '' and {'HDEL', meta, 'later'} or {'HSET', meta, 'later', later}, {put_back})
end
will_tell(changes, version, token, parent, {unpack(ARGV, 9)})
local failed = make()
if failed then return failed end
redis.pcall('XTRIM', changes, 'MAXLEN', '~', keep)
hint(meta)
return {'DONE', number(version)}
