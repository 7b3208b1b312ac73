-- Whether this server knows vector sets. KEYS: any key.
local reply = redis.pcall('VCARD', KEYS[1])
return type(reply) == 'table' and reply['err'] and 0 or 1
