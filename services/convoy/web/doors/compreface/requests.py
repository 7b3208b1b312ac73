"""What CompreFace's calls have in common: the picture, and how its faces are found."""

from convoy.v1 import common_pb2, faces_pb2
from convoy.web.doors.compreface.refusals import BAD_ARGUMENT, NO_PARAMETER, NO_PART, Refused
from convoy.web.doors.given import Given

MOST_FACES = 2**31 - 1


def image(given: Given, name: str = "file") -> common_pb2.Image:
    """The picture under a name. Raises Refused."""
    content = given.picture(name)
    if not content:
        raise Refused(NO_PART, f"the request has no file {name!r}")
    return common_pb2.Image(encoded=content)


def finding(given: Given) -> faces_pb2.FaceDetectionOptions:
    """How faces are found. Raises Refused, InvalidArgument(BAD_ARGUMENT)."""
    if not given.flag("detect_faces", default=True):
        raise Refused(BAD_ARGUMENT, "detect_faces=false is not offered: Convoy finds and aligns each face itself")
    return faces_pb2.FaceDetectionOptions(
        detection_threshold=given.number("det_prob_threshold", None),
        max_faces=given.whole("limit", 0, high=MOST_FACES),
    )


def subject_of(given: Given) -> str:
    """The name of a person. Raises Refused."""
    name = given.text("subject").strip()
    if not name:
        raise Refused(NO_PARAMETER, "the parameter 'subject' is missing")
    return name
