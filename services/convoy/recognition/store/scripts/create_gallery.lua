-- Makes a gallery. KEYS: meta, head, changes, request, found. ARGV: info, later, max_people, max_faces, token, keep, answer,
-- lifetime_s, digest of what was asked, an epoch if there is none, note...
local meta, head, changes, request, found = unpack(KEYS)
local info, later, max_people, max_faces, token, keep, answer, lifetime_s, digest, new_epoch = unpack(ARGV, 1, 10)

if redis.call('EXISTS', meta) == 1 then
  local remembered = redis.call('HMGET', request, 'version', 'answer', 'digest', 'epoch')
  if remembered[1] and remembered[1] == redis.call('HGET', meta, 'born') then
    return {'REPEATED', remembered[1], remembered[2], remembered[3] or '', remembered[4] or ''}
  end
  return {'EXISTS'}
end

local version, parent, had, epoch = history(head, changes)
version = version + 1
local born = number(version)
will_move(head, version, token, had, parent)
local had_found = redis.call('HGET', head, 'found')
will({'HSET', head, 'found', born}, {had_found and {'HSET', head, 'found', had_found} or {'HDEL', head, 'found'}})
if epoch == '' then
  epoch = new_epoch
  will({'HSET', head, 'epoch', epoch}, {{'HDEL', head, 'epoch'}})
end
will(
  {'HSET', meta, 'info', info, 'born', born, 'people', 0, 'faces', 0, 'max_people', max_people, 'max_faces', max_faces},
  {{'DEL', meta}}
)
if later ~= '' then will({'HSET', meta, 'later', later}) end
will({'HSET', request, 'version', born, 'answer', answer, 'digest', digest, 'epoch', epoch}, {{'DEL', request}})
will({'EXPIRE', request, lifetime_s})
-- What an earlier version left of a gallery of this name. Before the stream, which cannot be undone.
will({'UNLINK', found})
will_tell(changes, version, token, parent, {unpack(ARGV, 11)})
local failed = make()
if failed then return failed end
redis.pcall('XTRIM', changes, 'MAXLEN', '~', keep)
hint(meta)
return {'DONE', born, epoch}
