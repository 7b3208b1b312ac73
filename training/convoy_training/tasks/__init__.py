"""What can be trained: a task a file, each with the functions of `convoy_training.task.Task`.

classification.py     one label a picture
detection.py          boxes with labels
localisation.py       one box with its label, or none
segmentation.py       a class for each pixel
face_detection.py     boxes of faces with landmarks
face_embedding.py     a vector for each face
face_landmarks.py     the landmarks of the face in a window
face_verification.py  are two faces the same person
"""
