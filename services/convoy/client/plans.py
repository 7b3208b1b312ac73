"""The calls that you can stream, as plans with the same arguments as the client's methods.

with Convoy() as convoy:
    for answer in convoy.stream(plans.identify("staff", frame) for frame in video):
        ...
"""

from convoy.client.operations.faces import detect_faces, embed_faces
from convoy.client.operations.imaging import transform, transform_many
from convoy.client.operations.recognition import identify, register
from convoy.client.operations.tracking import tracked
from convoy.client.operations.vision import classify, classify_many, detect, detect_many, segment, segment_many

__all__ = [
    "classify",
    "classify_many",
    "detect",
    "detect_faces",
    "detect_many",
    "embed_faces",
    "identify",
    "register",
    "segment",
    "segment_many",
    "tracked",
    "transform",
    "transform_many",
]
