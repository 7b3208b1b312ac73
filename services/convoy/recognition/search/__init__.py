"""Who is nearest: what this process holds of each gallery, how the stream keeps it up to date, and how it is searched.

followers.py        the galleries that this process follows, each by a follower
follower.py         keeps one gallery equal to the store
freshness.py        how long a follower has not heard of the store
gauges.py           what is told to Prometheus of each gallery
waking.py           what wakes followers: hints of the store, and a survey of all galleries
pulse.py            whether the hints of the store reach this process
view.py             what this process can tell of a gallery, whichever way it is searched
memory_view.py      a gallery in memory: its people, and their faces in an index
vector_set_view.py  a gallery in vector sets of Redis 8
index.py            1:K search in memory, exact
face_ids.py         whose a face is, by its id
averages.py         one more template for everybody with several faces
scan.py             passes over all faces that choose the few worth an exact comparison
blocks.py           faces as rows of numbers, and the kernels that compare them
told.py             when to speak of a trouble that lasts
sharing.py          searches that wait at the same time share a pass
"""
