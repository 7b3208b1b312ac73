"""What a training makes small: tensors in, one number out.

detection.py       detectors without anchors: which cells answer for which object, and what they pay
anchors.py         detectors with anchors
two_stage.py       detectors that propose regions first
localisation.py    one object a picture
overlap.py         segmentation: Dice
borders.py         segmentation: more weight between two regions that nearly touch
face_detection.py  boxes and landmarks of faces
margin.py          face embedding: margin softmax over people
triplet.py         face embedding: mined triplets
teaching.py        face embedding: how far a student is from its teacher
"""
