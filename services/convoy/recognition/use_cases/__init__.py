"""What a caller can do with galleries and people. Use cases take and give domain values; none knows protobuf or gRPC.

galleries.py       make, find, change and delete galleries; their status and their audit
aliases.py         names that stand for galleries
people.py          find, change and delete people; the one way in which a person is changed
registration.py    register a person from photos
photo_rules.py     whether a photo may stand for a person
agreement.py       whether the photos of a registration show one person
identification.py  who is this, and is this the one
naming.py          the faces of a picture decided together: a person is one face at most
duplicates.py      people who look like one another
disagreements.py   people whose faces do not resemble one another
merging.py         make one person of two
transfer.py        export and import
repetition.py      calls that come again get their first answer
expiry.py          housekeeping every half minute: expired people, keys, vector sets left behind
growth.py          whether galleries outgrow their embedder
consistency.py     whether index and store hold the same faces
"""
