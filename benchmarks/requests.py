"""Makes requests with the same picture for the Open Inference Protocol and for the typed API."""

import numpy as np
from convoy.inference import open_inference_pb2 as oip
from convoy.v1 import classification_pb2, common_pb2

TENSOR_DOOR = "/inference.GRPCInferenceService/ModelInfer"
TYPED_DOOR = "/convoy.v1.ClassificationService/Classify"


def tensor_request(model: str, images: np.ndarray, name: str = "images") -> bytes:
    """Write pixels [N, H, W, 3] as raw contents of the Open Inference Protocol."""
    datatype = {"uint8": "UINT8", "float32": "FP32"}[images.dtype.name]
    tensor = oip.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=images.shape)
    request = oip.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[images.tobytes()])
    return request.SerializeToString()


def typed_request(data: bytes) -> bytes:
    """Write an encoded picture for the typed API."""
    image = common_pb2.Image(encoded=data)
    return classification_pb2.ClassifyRequest(images=[image], top_k=1).SerializeToString()
