-- Makes a gallery. KEYS: meta, head, changes, request. ARGV: info, max_people, max_faces, token, keep, answer, lifetime_s, note...
local meta, head, changes, request = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local info, max_people, max_faces, token, keep, answer, lifetime_s = unpack(ARGV, 1, 7)

if redis.call('EXISTS', meta) == 1 then
  local remembered = redis.call('HMGET', request, 'version', 'answer')
  if remembered[1] and remembered[1] == redis.call('HGET', meta, 'born') then
    return {'REPEATED', remembered[1], remembered[2]}
  end
  return {'EXISTS'}
end

local version = redis.call('HINCRBY', head, 'version', 1)
local parent = redis.call('HGET', head, 'token') or ''
redis.call('HSET', head, 'token', token)
redis.call('HSET', meta, 'info', info, 'born', version, 'people', 0, 'faces', 0, 'max_people', max_people, 'max_faces', max_faces)
redis.call('XADD', changes, 'MAXLEN', '~', keep, version .. '-0', 'token', token, 'parent', parent, unpack(ARGV, 8))
redis.call('HSET', request, 'version', version, 'answer', answer)
redis.call('EXPIRE', request, lifetime_s)
return {'DONE', tostring(version)}
