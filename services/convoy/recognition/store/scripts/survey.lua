-- How galleries stand, many in one go. KEYS: head, meta, expiry of each. Gives version, token, epoch, whether it is there (1 or 0)
-- and when its first person expires, of each in turn; '' for what is not there. A key of another kind spoils its own gallery alone.
local stands = {}
local function ask(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then return nil end
  return reply
end
for i = 1, #KEYS, 3 do
  local last = ask('HMGET', KEYS[i], 'version', 'token', 'epoch') or {}
  local first = ask('ZRANGE', KEYS[i + 2], 0, 0, 'WITHSCORES') or {}
  for k = 1, 3 do stands[#stands + 1] = last[k] or '' end
  stands[#stands + 1] = redis.call('EXISTS', KEYS[i + 1])
  stands[#stands + 1] = first[2] or ''
end
return stands
