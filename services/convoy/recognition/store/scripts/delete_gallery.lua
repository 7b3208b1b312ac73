-- Deletes a gallery with all that is in it; its head and stream stay, so that versions never fall and the audit is kept.
-- KEYS: meta, head, changes, people, order, expiry, templates, found, nothing (a key that is never there). ARGV: token, keep, note...
local meta, head, changes, nothing = KEYS[1], KEYS[2], KEYS[3], KEYS[9]
local token, keep = ARGV[1], ARGV[2]

local last = redis.call('HMGET', meta, 'info', 'born', 'people', 'faces', 'later')
if not last[1] then return {'NOT_FOUND'} end
local version, parent, had = history(head, changes)
version = version + 1
-- Deleting cannot be taken back, so it comes last; whether it is allowed shows first.
will({'UNLINK', nothing})
will_move(head, version, token, had, parent)
will_keep_found(head, version - 1, version)
will_tell(changes, version, token, parent, {unpack(ARGV, 3)})
will({'UNLINK', meta, unpack(KEYS, 4, 8)})
local failed = make()
if failed then return failed end
redis.pcall('XTRIM', changes, 'MAXLEN', '~', keep)
hint(meta)
return {'DONE', number(version), unpack(last)}
