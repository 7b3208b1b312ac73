"""A few questions to the published models, of which a new version of Convoy must think the same."""

import numpy as np
from convoy.inference import open_inference_pb2 as door
from convoy.v1 import classification_pb2, detection_pb2, faces_pb2, segmentation_pb2

from tests.compatibility.conversations.pictures import image, raw, scene
from tests.compatibility.conversations.recorder import Recorder


def talk(recorder: Recorder) -> None:
    """Ask each of them."""
    pictures = [image(scene(1), ".jpg"), raw(scene(2, 32, 32))]
    classify = classification_pb2.ClassifyRequest(images=pictures, top_k=10)
    recorder.ask("classification", "/convoy.v1.ClassificationService/Classify", classify)
    detect = detection_pb2.DetectRequest(images=[image(scene(3), ".jpg")], detection_threshold=0.01)
    recorder.ask("detection", "/convoy.v1.DetectionService/Detect", detect)
    segment = segmentation_pb2.SegmentRequest(images=[image(scene(4), ".jpg")])
    recorder.ask("segmentation", "/convoy.v1.SegmentationService/Segment", segment)
    faces = faces_pb2.DetectFacesRequest(images=[image(scene(5), ".jpg")])
    recorder.ask("faces", "/convoy.v1.FaceService/DetectFaces", faces)
    recorder.ask("faces", "/convoy.v1.FaceService/GetFaceModel", faces_pb2.GetFaceModelRequest())
    recorder.ask("faces", "/inference.GRPCInferenceService/ModelInfer", _crop())


def _crop() -> door.ModelInferRequest:
    pixels = scene(6, 112, 112)[None]
    request = door.ModelInferRequest(model_name="face-embedder-small", raw_input_contents=[pixels.tobytes()])
    request.inputs.add(name="images", datatype="UINT8", shape=np.shape(pixels))
    return request
