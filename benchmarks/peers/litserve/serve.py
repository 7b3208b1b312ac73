"""LitServe: two workers of one single-threaded session each; the tensor is a file in a form.

For that it needs python-multipart, which it does not install itself.
"""

import sys

import cv2
import litserve
import numpy as np
import onnxruntime as ort
from fastapi import Request, Response


def read(content: bytes) -> np.ndarray:
    """A tensor of float32, or a JPEG as the network's uint8 pixels."""
    if content[:2] != b"\xff\xd8":
        return np.frombuffer(content, np.float32).reshape(1, 224, 224, 3)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)[None]


class Network(litserve.LitAPI):
    """Takes bytes of float32 or a JPEG, and returns bytes of float32."""

    def setup(self, device: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: Request) -> np.ndarray:
        return read(request["images"].file.read())

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self._session.run(["probabilities"], {"images": images})[0]

    def encode_response(self, probabilities: np.ndarray) -> Response:
        return Response(probabilities.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    server = litserve.LitServer(Network(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
