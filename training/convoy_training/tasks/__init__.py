"""The tasks that you can train for: one file each, with the functions of `convoy_training.task.Task`.

classification.py     one label per picture
detection.py          boxes with labels
embedding.py          an embedding of pictures of anything
signal_classification.py  one label per signal
localisation.py       one box with its label, or none
segmentation.py       a class for each pixel
volume_segmentation.py  a class for each pixel of each slice of a volume
face_detection.py     boxes of faces with landmarks
face_embedding.py     an embedding of each face
face_landmarks.py     the landmarks of the face in a window
face_verification.py  whether two faces are the same person
picture_to_picture.py  mends pictures: noise, JPEG, too few pixels, holes
style_transfer.py     paints photographs in several styles
"""
