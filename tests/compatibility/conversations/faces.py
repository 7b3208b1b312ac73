"""Everything that faces can be asked."""

from convoy.v1 import common_pb2, faces_pb2

from tests.compatibility.conversations.pictures import JUNK, NOBODY, people, person
from tests.compatibility.conversations.recorder import Recorder

FACES = "/convoy.v1.FaceService/"
STRANGER = common_pb2.ModelRef(name="nobody-made-this")


def talk(recorder: Recorder) -> None:
    """Ask it all."""
    _detect(recorder)
    _embed(recorder)
    _compare(recorder)
    recorder.ask("faces", f"{FACES}GetFaceModel", faces_pb2.GetFaceModelRequest())
    unknown = faces_pb2.GetFaceModelRequest(embedder=STRANGER)
    recorder.ask("faces", f"{FACES}GetFaceModel", unknown, code="NOT_FOUND")
    detector = faces_pb2.GetFaceModelRequest(embedder=common_pb2.ModelRef(name="tiny-face-detector"))
    recorder.ask("faces", f"{FACES}GetFaceModel", detector, code="FAILED_PRECONDITION")


def _detect(recorder: Recorder) -> None:
    request, options = faces_pb2.DetectFacesRequest, faces_pb2.FaceDetectionOptions
    three = people(1, 2, 3)
    recorder.ask("faces", f"{FACES}DetectFaces", request(images=[three, NOBODY, person(4)]))
    largest = options(selection=faces_pb2.FACE_SELECTION_LARGEST)
    for chosen in (largest, options(max_faces=2), options(detection_threshold=0.985), options(min_face_size=145)):
        recorder.ask("faces", f"{FACES}DetectFaces", request(images=[three], options=chosen))
    recorder.ask("faces", f"{FACES}DetectFaces", request(images=[JUNK]), code="INVALID_ARGUMENT")


def _embed(recorder: Recorder) -> None:
    request = faces_pb2.EmbedFacesRequest
    recorder.ask("faces", f"{FACES}EmbedFaces", request(images=[people(1, 2)]))
    recorder.ask("faces", f"{FACES}EmbedFaces", request(images=[person(3)], include_aligned_crops=True))
    unknown = request(images=[person(3)], embedder=STRANGER)
    recorder.ask("faces", f"{FACES}EmbedFaces", unknown, code="NOT_FOUND")
    stream = (("a", person(1)), ("b", JUNK), ("c", NOBODY))
    each = [faces_pb2.EmbedFacesStreamRequest(id=key, request=request(images=[one])) for key, one in stream]
    recorder.ask("faces", f"{FACES}EmbedFacesStream", *each)


def _compare(recorder: Recorder) -> None:
    request = faces_pb2.CompareFacesRequest
    for chosen in (
        request(first=person(1), second=person(1, noise=5)),
        request(first=person(1), second=person(2)),
        request(first=person(1), second=people(3, 1), match_threshold=0.9),
        request(first=person(1), second=person(1, noise=6), false_match_rate=1e-4),
    ):
        recorder.ask("faces", f"{FACES}CompareFaces", chosen)
    nobody = request(first=person(1), second=NOBODY)
    recorder.ask("faces", f"{FACES}CompareFaces", nobody, code="FAILED_PRECONDITION")
