"""What a caller can do with galleries and people. Use cases take and give domain values; none knows protobuf or gRPC.

galleries.py       make, find, change and delete galleries; their status and their audit
aliases.py         names that stand for galleries
people.py          change and delete people; the one way in which a person is changed
finding.py         people in pages, by name and tags; a face by its id
creation.py        make people without faces; give people other ids
registration.py    register a person from photos
photo_rules.py     whether a photo, looked at alone, may stand for a person
record_rules.py    whether a photo fits the person and the gallery on record
agreement.py       whether the photos of a registration show one person
identification.py  who is this, and is this the one
neighbours.py      the nearest people of each face of a picture
dear_calls.py      the small queue of calls that read a whole gallery
naming.py          the faces of a picture decided together: a person is one face at most
duplicates.py      people who look like one another
disagreements.py   people whose faces do not resemble one another
merging.py         make one person of two
transfer.py        export and import
repetition.py      calls that come again get their first answer
erasures.py        what was erased after a backup was made, to be erased again
journal.py         a file outside of the store that tells of erasures
expiry.py          housekeeping every half minute: expired people, keys, vector sets left behind
growth.py          whether galleries outgrow their embedder
consistency.py     whether index and store hold the same faces
"""
