"""Bad inputs by the thousand: good requests of every method, with their pictures or their bytes spoilt, by a seed."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from convoy.testing import pictures
from convoy.testing.bad_pictures import bombs
from convoy.v1 import (
    classification_pb2,
    common_pb2,
    detection_pb2,
    faces_pb2,
    imaging_pb2,
    recognition_pb2,
    segmentation_pb2,
)
from google.protobuf.message import Message

PORTRAIT = pictures.encode(pictures.portrait(1), ".jpg")
GOOD = [PORTRAIT, pictures.encode(pictures.portrait(2)), pictures.encode(pictures.plain(), ".webp")]
GALLERY = "g"
PERSON = recognition_pb2.PersonRef(gallery=GALLERY, person_id="p")


class Attempt(NamedTuple):
    """service and method to send `content` to; the statuses that may come back."""

    service: str
    method: str
    content: bytes
    allowed: frozenset[str]


REFUSED = frozenset({"INVALID_ARGUMENT"})
# A spoilt picture may still be one, with no face or a face more.
JUDGED = frozenset({"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION"})
# A spoilt message may name anything; what it must not be is a fault of the service.
DOCUMENTED = JUDGED | {"NOT_FOUND", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED"}


def requests(picture: bytes) -> list[tuple[str, str, Message]]:
    """One good request of each method that takes a picture."""
    image = common_pb2.Image(encoded=picture)
    enrolment = recognition_pb2.RegisterRequest(gallery=GALLERY, person_id="p", photos=[image], add_faces=True)
    probe = recognition_pb2.VerifyRequest(probe=image, person=PERSON)
    recognition = "/convoy.v1.RecognitionService/"
    return [
        (
            "classification",
            "/convoy.v1.ClassificationService/Classify",
            classification_pb2.ClassifyRequest(images=[image]),
        ),
        ("detection", "/convoy.v1.DetectionService/Detect", detection_pb2.DetectRequest(images=[image])),
        ("segmentation", "/convoy.v1.SegmentationService/Segment", segmentation_pb2.SegmentRequest(images=[image])),
        ("imaging", "/convoy.v1.ImagingService/Transform", imaging_pb2.TransformRequest(images=[image])),
        ("faces", "/convoy.v1.FaceService/DetectFaces", faces_pb2.DetectFacesRequest(images=[image])),
        ("faces", "/convoy.v1.FaceService/EmbedFaces", faces_pb2.EmbedFacesRequest(images=[image])),
        ("recognition", recognition + "Register", enrolment),
        ("recognition", recognition + "Identify", recognition_pb2.IdentifyRequest(gallery=GALLERY, image=image)),
        ("recognition", recognition + "Verify", probe),
    ]


BOMBS = bombs()


def attempts(count: int, seed: int) -> Iterator[Attempt]:
    """Bombs, spoilt pictures in good messages, and spoilt messages, in turn."""
    rng = random.Random(seed)
    for number in range(count):
        kind = number % 3
        picture = rng.choice(list(BOMBS.values())) if kind == 0 else rng.choice(GOOD)
        if kind == 1:
            picture = spoil(rng, picture)
        service, method, request = rng.choice(requests(picture))
        content = request.SerializeToString()
        # Register answers a photo of one that cannot be read by FAILED_PRECONDITION where others could.
        allowed = (REFUSED, JUDGED, DOCUMENTED)[kind]
        yield Attempt(service, method, spoil(rng, content) if kind == 2 else content, allowed)


def spoil(rng: random.Random, content: bytes) -> bytes:
    """Bytes changed, cut out, doubled, or cut off."""
    spoilt = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        place, length = rng.randrange(len(spoilt) + 1), rng.choice([1, 1, 1, 4, 64])
        match rng.randrange(5):
            case 0:
                del spoilt[place : place + length]
            case 1:
                spoilt[place:place] = spoilt[place : place + length]
            case _:
                spoilt[place : place + length] = rng.randbytes(length)
    return bytes(spoilt[: rng.randrange(len(spoilt) + 1)] if rng.randrange(4) == 0 else spoilt)
