"""BentoML: two workers of one single-threaded session each; the tensor is the body of the request.

Its own array type is sent as JSON, with ten times the bytes; its page on ASGI applications shows this way for other
types.
"""

import os

import bentoml
import cv2
import numpy as np
import onnxruntime as ort
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def read(content: bytes) -> np.ndarray:
    """A tensor of float32, or a JPEG as the network's uint8 pixels."""
    if content[:2] != b"\xff\xd8":
        return np.frombuffer(content, np.float32).reshape(1, 224, 224, 3)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)[None]


def run(content: bytes) -> list[np.ndarray]:
    return bentoml.get_current_service().session.run(["probabilities"], {"images": read(content)})


async def classify(request: Request) -> Response:
    (probabilities,) = await run_in_threadpool(run, await request.body())
    return Response(probabilities.tobytes(), media_type="application/octet-stream")


@bentoml.service(workers=2, traffic={"timeout": 60})
@bentoml.asgi_app(Starlette(routes=[Route("/classify", classify, methods=["POST"])]))
class Network:
    """Holds the worker's session."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["GRAPH"], options, providers=["CPUExecutionProvider"])
