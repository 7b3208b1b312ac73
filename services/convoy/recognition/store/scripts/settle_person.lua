-- Makes one shard's vector set agree with a person's record, unless it knows a later state of the person already.
-- KEYS: vectors, faces. ARGV: person_id, version of the state, force (1 or 0), quantization, attributes (JSON),
--   then face id and template of each face.
local vectors, faces = KEYS[1], KEYS[2]
local person_id, version, force, quantization, attributes = unpack(ARGV, 1, 5)

local had, words = {}, string.gmatch(redis.call('HGET', faces, person_id) or '', '%S+')
local settled = tonumber(words() or -1)
if force == '0' and settled >= tonumber(version) then return 0 end
for face_id in words do had[face_id] = true end

local now = version
for i = 6, #ARGV, 2 do
  local face_id, element = ARGV[i], person_id .. ' ' .. ARGV[i]
  if had[face_id] then
    redis.call('VSETATTR', vectors, element, attributes)
    had[face_id] = nil
  else
    redis.call('VADD', vectors, 'FP32', ARGV[i + 1], element, quantization, 'SETATTR', attributes)
  end
  now = now .. ' ' .. face_id
end
for face_id in pairs(had) do redis.call('VREM', vectors, person_id .. ' ' .. face_id) end
redis.call('HSET', faces, person_id, now)
return 1
