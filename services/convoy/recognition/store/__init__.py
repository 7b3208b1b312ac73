"""Where galleries are kept: one interface, and Redis behind it. convoy.testing has the same interface in memory.

base.py         what a store does, and what it can answer
redis.py        galleries in Redis, the truth
commands.py     how commands and scripts of Redis are run: alone, together, or until they are safe
opening.py      the store that the settings name
layout.py       galleries and changes as keys and words of Redis, and its replies as records
lua.py          the scripts that run inside Redis; each is in the folder scripts
sweeping.py     looking at much of Redis: large hashes, and how many galleries stand
together.py     commands that are asked for in the same moment, in one round trip
hints.py        what tells followers that a gallery is changed
safety.py       writes, and how safe each is before it is acknowledged
connection.py   connects to Redis, and turns every way in which it can be away into one error
directory.py    whose a name or the id of a face is, by an index beside the records
words.py        the words of that index
vector_sets.py  an index of Redis 8 beside the truth
permissions.py  what recognition's own user of Redis may do
condition.py    what Redis says of itself, for `convoy doctor`
tries.py        tries again when somebody else was faster
"""
