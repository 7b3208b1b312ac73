"""Losses: the number that training makes small, from a network's answers and the truth.

detection.py       detectors without anchors: which cells answer for which object, and the loss of each
masks.py           masks of objects, as sums of prototypes
points.py          named points of objects
anchors.py         detectors with anchors
two_stage.py       detectors that propose regions first
region_masks.py    masks that each cover a region
localisation.py    one object per picture
entropy.py         classification: cross-entropy with class weights and focus on what is hard
overlap.py         segmentation: Dice
charbonnier.py     pictures: a smooth absolute difference
style.py           pictures: what content and style cost; Gatys' optimisation
borders.py         segmentation: more weight between two regions that nearly touch
face_detection.py  boxes and landmarks of faces
margin.py          face embedding: margin softmax over people
triplet.py         face embedding: mined triplets
teaching.py        face embedding: learning from a teacher's vectors
"""
