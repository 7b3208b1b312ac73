"""What calls return: small frozen values. The function beside each reads it from its protobuf message.

answer.py       what every answer can do: become JSON, and show itself in a notebook
common.py       what answers share: the model that answered, geometry in pixels
vision.py       classification, detection and segmentation
masks.py        the masks and points of detected objects
imaging.py      imaging
explanation.py  what explains other answers
faces.py        the faces service
recognition.py  recognition, with pictures: register, identify, verify
galleries.py    recognition, about galleries
people.py       recognition, about the people in a gallery
models.py       the models of a service
status.py       what a service says of itself and of its caller
decoding.py     the pictures in answers, with Pillow or without
"""
