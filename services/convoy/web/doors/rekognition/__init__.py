"""Amazon Rekognition's JSON 1.1: an AWS SDK needs but AWS_ENDPOINT_URL_REKOGNITION.

operations.py   the table: which operation does what, and the signature's key id
fields.py       what a request says
shapes.py       boxes, landmarks and faces as Rekognition shows them
collections.py  galleries
records.py      IndexFaces, ListFaces, DeleteFaces: each face is a person
search.py       SearchFaces, SearchFacesByImage
pictures.py     CompareFaces, DetectFaces, DetectLabels
refusals.py     errors by their names
"""

from convoy.web.doors.rekognition.operations import REKOGNITION

__all__ = ["REKOGNITION"]
