-- Says that the index is whole; gives 0 if somebody else builds it, or a change was made that left it behind.
-- KEYS: head, changes. ARGV: the builder's token.
local head, changes = KEYS[1], KEYS[2]
local version = number(history(head, changes))
if redis.call('HGET', head, 'found') ~= version .. ' ' .. ARGV[1] then return 0 end
redis.call('HSET', head, 'found', version)
return 1
