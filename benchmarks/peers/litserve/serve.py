"""LitServe: two workers of one single-threaded session each; the tensor is a file in a form.

For that it needs python-multipart, which it does not install itself.
"""

import sys

import litserve
import numpy as np
import onnxruntime as ort
from fastapi import Request, Response


class Network(litserve.LitAPI):
    """Takes bytes of float32 and returns bytes of float32."""

    def setup(self, device: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: Request) -> np.ndarray:
        return np.frombuffer(request["images"].file.read(), np.float32).reshape(1, 224, 224, 3)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self._session.run(["probabilities"], {"images": images})[0]

    def encode_response(self, probabilities: np.ndarray) -> Response:
        return Response(probabilities.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    server = litserve.LitServer(Network(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
