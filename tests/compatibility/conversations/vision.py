"""Everything that classification, detection and segmentation can be asked."""

from convoy.testing import pictures
from convoy.v1 import classification_pb2, common_pb2, detection_pb2, segmentation_pb2

from tests.compatibility.conversations.pictures import BLUE, GREEN, JUNK, NOBODY, RED, image, raw
from tests.compatibility.conversations.recorder import Recorder

CLASSIFY = "/convoy.v1.ClassificationService/Classify"
DETECT = "/convoy.v1.DetectionService/Detect"
SEGMENT = "/convoy.v1.SegmentationService/Segment"
STRANGER = common_pb2.ModelRef(name="nobody-made-this")


def talk(recorder: Recorder) -> None:
    """Ask it all."""
    _classify(recorder)
    _detect(recorder)
    _segment(recorder)


def _classify(recorder: Recorder) -> None:
    request = classification_pb2.ClassifyRequest
    pixels = pictures.plain((200, 60, 90), width=12, height=9)
    recorder.ask("classification", CLASSIFY, request(images=[RED, GREEN, BLUE, raw(pixels)], top_k=2))
    recorder.ask("classification", CLASSIFY, request(images=[image(pixels, ".jpg")], min_probability=0.2))
    named = common_pb2.ModelRef(name="spare-classifier", version="1")
    recorder.ask("classification", CLASSIFY, request(images=[RED], model=named))
    recorder.ask("classification", CLASSIFY, request(images=[JUNK]), code="INVALID_ARGUMENT")
    recorder.ask("classification", CLASSIFY, request(), code="INVALID_ARGUMENT")
    recorder.ask("classification", CLASSIFY, request(images=[RED], model=STRANGER), code="NOT_FOUND")
    wrong = common_pb2.Image(raw=common_pb2.RawImage(width=9, height=9, data=b"few"))
    recorder.ask("classification", CLASSIFY, request(images=[wrong]), code="INVALID_ARGUMENT")
    stream = (("a", RED), ("b", JUNK), ("c", BLUE))
    each = [classification_pb2.ClassifyStreamRequest(id=key, request=request(images=[one])) for key, one in stream]
    recorder.ask("classification", f"{CLASSIFY}Stream", *each)


def _detect(recorder: Recorder) -> None:
    request = detection_pb2.DetectRequest
    bright, dark = (image(pictures.with_box((20, 30, 60, 70), value)) for value in (255, 10))
    recorder.ask("detection", DETECT, request(images=[bright, dark, NOBODY]))
    recorder.ask("detection", DETECT, request(images=[bright], iou_threshold=1.0, max_detections=1))
    recorder.ask("detection", DETECT, request(images=[bright, dark], detection_threshold=0.75))
    recorder.ask("detection", DETECT, request(images=[bright, dark], labels=["dark"]))
    recorder.ask("detection", DETECT, request(images=[bright], labels=["unicorn"]), code="INVALID_ARGUMENT")
    recorder.ask("detection", DETECT, request(images=[bright], model=STRANGER), code="NOT_FOUND")
    stream = (("a", bright), ("b", JUNK))
    each = [detection_pb2.DetectStreamRequest(id=key, request=request(images=[one])) for key, one in stream]
    recorder.ask("detection", f"{DETECT}Stream", *each)


def _segment(recorder: Recorder) -> None:
    request = segmentation_pb2.SegmentRequest
    pixels = pictures.plain((10, 10, 10), width=64, height=48)
    pixels[:12] = 250
    picture = image(pixels)
    recorder.ask("segmentation", SEGMENT, request(images=[picture, BLUE]))
    recorder.ask("segmentation", SEGMENT, request(images=[picture], mask_format=segmentation_pb2.MASK_FORMAT_RAW))
    recorder.ask("segmentation", SEGMENT, request(images=[JUNK]), code="INVALID_ARGUMENT")
    stream = (("a", picture), ("b", JUNK))
    each = [segmentation_pb2.SegmentStreamRequest(id=key, request=request(images=[one])) for key, one in stream]
    recorder.ask("segmentation", f"{SEGMENT}Stream", *each)
