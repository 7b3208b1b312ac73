-- Puts people into the index that is built. Whose record is another one by now is left out: whoever wrote it put them in.
-- KEYS: head, people, found. ARGV: the builder's token, then in MessagePack a list of {person_id, SHA-1 of the record, {words...}}.
-- Gives 0 if somebody else builds it.
local head, people, found = KEYS[1], KEYS[2], KEYS[3]
if string.match(redis.call('HGET', head, 'found') or '', ' (.*)$') ~= ARGV[1] then return 0 end
for _, one in ipairs(cmsgpack.unpack(ARGV[2])) do
  local record = redis.call('HGET', people, one[1])
  if record and redis.sha1hex(record) == one[2] then
    for _, word in ipairs(one[3]) do redis.call('ZADD', found, 0, word) end
  end
end
return 1
