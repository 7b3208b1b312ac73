"""What calls return: small frozen values. The function beside each reads it from its protobuf message.

answer.py       what every answer can do: JSON, notebooks
common.py       models, sizes, boxes, times
vision.py       of classification, detection and segmentation
imaging.py      of imaging
faces.py        of faces
recognition.py  of registering and identifying
galleries.py    of galleries
people.py       of people in galleries
models.py       of models
"""
