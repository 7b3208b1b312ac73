"""Changes training pictures at random, so that a network sees more variety than the data holds.

batch.py          any task: turns, scales, warps and recolours a whole batch, on a GPU too
points.py         the same with the boxes and landmarks that are drawn on the pictures
mixup.py          classification: two pictures in one, by mixup or CutMix
rand_augment.py   classification: operations drawn for each picture
shift.py          classification: shift and mirror small pictures, grey out a square, draw crops
scene.py          segmentation: scale, crop, mirror and light, picture and mask together
degradation.py    pictures of pictures: noise, JPEG, fewer pixels, holes, no colours
holes.py          pictures of pictures: draws the holes
mosaic.py         detection: one picture, or four as a mosaic
window.py         localisation: windows with one object or none
face.py           face embedding: turn, darken, blur, compress or half cover a face
occluders.py      faces: draw masks, dark glasses and hands over them
face_scene.py     face detection: canvases around faces of any size
face_windows.py   landmarks: windows with one face or none
"""
