"""Metrics: computes numbers and their intervals from arrays of answers and truth.

accuracy.py        classification: right answers, among the first five, and class by class
precision.py       detection: average precision, as COCO measures it
mask_precision.py  detection: average precision of masks
point_precision.py detection: average precision of named points
detection_threshold.py  detection: from which score on objects are shown
localisation.py    localisation: whether the object is found, and how well its box fits
retrieval.py       embedding: how often the nearest pictures show the same class
overlap.py         segmentation: intersection over union
picture_quality.py pictures: PSNR and SSIM
mending.py         pictures: what is measured of mended ones, and beside what
yardsticks.py      pictures: what mends them without training
regions.py         segmentation: whether the right regions are separated
face_detection.py  faces: average precision by size, and the error of landmarks
landmarks.py       faces: how far landmarks are from their true places
verification.py    faces: whether two show the same person
identification.py  faces: who of many people it is, or nobody
found.py           faces: how many known people are found while some strangers are named
false_match.py     faces: how often two strangers reach a similarity
same_photo.py      faces: how much more people in one photo resemble each other
false_non_match.py faces: how often a person's own photo stays below a similarity
rejection.py       faces: whether quality predicts errors
face_embedding.py  faces: all measures of one embedder
share.py           the share of trials that went one way, with its interval
bootstrap.py       intervals by resampling
paired.py          whether one of two models is better on the same examples
resampling.py      intervals for pairs, which share people
"""
