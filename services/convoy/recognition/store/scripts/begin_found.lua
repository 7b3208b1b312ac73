-- Begins to build the index of names and faces anew, unless it is whole. KEYS: head, changes, found. ARGV: the builder's token.
local head, changes, found = KEYS[1], KEYS[2], KEYS[3]
local version = number(history(head, changes))
if redis.call('HGET', head, 'found') == version then return 'WHOLE' end
redis.call('UNLINK', found)
redis.call('HSET', head, 'found', version .. ' ' .. ARGV[1])
return 'BEGUN'
