"""What calls return: small frozen values. The function beside each reads it from its protobuf message.

answer.py       what every answer can do: to_dict, tables in notebooks
common.py       boxes, points, sizes and models, which many answers have
vision.py       classification, detection, segmentation
imaging.py      pictures made of pictures
faces.py        faces, embeddings, comparisons, calibrations
recognition.py  who somebody is
people.py       people and their faces on record
galleries.py    galleries, their policy and state
models.py       models of a service
png.py          reads the PNG files of answers
"""
