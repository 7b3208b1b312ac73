-- Whether this server knows vector sets. KEYS: any key. A key of another kind (WRONGTYPE) says that it knows the command.
local reply = redis.pcall('VCARD', KEYS[1])
local problem = type(reply) == 'table' and reply['err']
return (not problem or problem:find('WRONGTYPE', 1, true)) and 1 or 0
