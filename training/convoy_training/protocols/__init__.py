"""The protocols that judge models of faces, as `convoy-train evaluate --protocol` runs them.

run.py             runs a protocol by its name
subject.py         the faces that a protocol judges, and its outcome
verification.py    lfw, pairs: whether two faces are one person
identification.py  identification: who of many people it is, or nobody
same_photo.py      same-photo: people in one photo
size.py            size: whether faces are found at any share of the frame
enrolment.py       enrolment: what Register takes for a person's photo
liveness.py        liveness: which attacks an anti-spoofing network lets pass
face_photos.py     finds, judges and embeds faces as the faces service does
portraits.py       portraits of held-out people, at any size and angle
"""
