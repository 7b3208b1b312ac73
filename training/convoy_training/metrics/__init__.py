"""What is measured: arrays in, numbers with their intervals out.

accuracy.py        classification: the share of right answers
precision.py       detection: average precision, as COCO measures it
localisation.py    is the one object found, and where
overlap.py         segmentation: intersection over union
regions.py         segmentation: are the right regions separated
face_detection.py  average precision of faces by size, and the error of landmarks
landmarks.py       how far landmarks are from where they should be
verification.py    are two faces the same person
identification.py  who is it, among many people or nobody
false_match.py     how often two strangers reach a similarity
rejection.py       does quality predict errors
face_embedding.py  all of these for one embedder
bootstrap.py       intervals by drawing samples again
resampling.py      intervals that know that pairs share people
"""
