-- Whom the index has under each word. KEYS: found. ARGV: words without the person id.
local told = {}
for i, word in ipairs(ARGV) do
  told[i] = redis.call('ZRANGE', KEYS[1], '[' .. word .. ' ', '(' .. word .. '!', 'BYLEX')
end
return told
