"""Changes training pictures, so that a network sees more than the data has.

batch.py          any task: turns, scales, warps and recolours a whole batch, on a GPU too
points.py         the same with the boxes and landmarks that are drawn on the pictures
mixup.py          weighted sums of two pictures
shift.py          small pictures: shift, mirror, cut out a square
scene.py          segmentation: scale, crop, mirror and light, picture and mask together
mosaic.py         detection: one picture, or four as a mosaic
window.py         localisation: windows with one object or none
face.py           faces: turned, darker, blurred, compressed, half covered
face_scene.py     face detection: canvases around faces of any size
face_windows.py   landmarks: windows with one face or none
"""
