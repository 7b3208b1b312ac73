"""What recognition is about: records, values and rules, as plain data that every other part of it may use.

Kept in the store:
records.py        galleries, people, faces, and the changes of a gallery's stream
templates.py      an embedding as bytes, in the clear or sealed
keys.py           master keys, and the data key of each gallery

Asked and answered:
pictures.py       pictures as callers send them, and how faces are looked for
found_faces.py    faces that the face service finds, with quality and embedding
registrations.py  what a registration asks, and what becomes of each photo
searches.py       what searches and comparisons ask, and their answers
edits.py          what is to be made or changed: galleries and people
transfers.py      people of an export or import
pages.py          long lists in pages

Rules:
limits.py         the form of names, ids and texts, and how much is kept
liveness.py       whether a face is that of a living person
thresholds.py     from a rate of mistakes to a threshold, and to a decision
growth.py         how large a gallery may grow before it recognises too few of its people
assignment.py     faces and people brought together, each once, by the best total

Around a call:
caller.py         the call being answered: who asks, and how much time is left
face_source.py    what recognition asks of a face service
vectors.py        embeddings as arrays
tasks.py          work that runs beside the calls, or goes on after one
"""
