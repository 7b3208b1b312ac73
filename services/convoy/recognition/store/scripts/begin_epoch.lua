-- Begins an epoch of a gallery, whether it is there or was deleted. KEYS: head. ARGV: the epoch.
local head, epoch = KEYS[1], ARGV[1]
if redis.call('EXISTS', head) == 0 then return 0 end
local had = redis.call('HGET', head, 'epoch')
will({'HSET', head, 'epoch', epoch}, {had and {'HSET', head, 'epoch', had} or {'HDEL', head, 'epoch'}})
local failed = make()
if failed then return failed end
hint(head)
return 1
