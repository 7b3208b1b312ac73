"""BentoML: two workers of one single-threaded session each; the tensor is the body of the request.

Its own array type is sent as JSON, with ten times the bytes; its page on ASGI applications shows this way for other
types.
"""

import os

import bentoml
import numpy as np
import onnxruntime as ort
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def classify(request: Request) -> Response:
    images = np.frombuffer(await request.body(), np.float32).reshape(1, 224, 224, 3)
    session = bentoml.get_current_service().session
    (probabilities,) = await run_in_threadpool(session.run, ["probabilities"], {"images": images})
    return Response(probabilities.tobytes(), media_type="application/octet-stream")


@bentoml.service(workers=2, traffic={"timeout": 60})
@bentoml.asgi_app(Starlette(routes=[Route("/classify", classify, methods=["POST"])]))
class Network:
    """Holds the worker's session."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["GRAPH"], options, providers=["CPUExecutionProvider"])
