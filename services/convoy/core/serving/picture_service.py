"""The base of services that look at pictures. To add one, write a class like those in classification, detection,
segmentation and imaging, and add a row to core/api.py.

A call takes these steps: check the request, find its model, decode and prepare each picture in a thread, run the graph,
turn its outputs into the answer in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from convoy.core.api import API, ServiceName
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.resizing import Placement, min_side
from convoy.core.serving.answers import reserve
from convoy.core.serving.messages import check_image_count, model_ref, pixels_of, read_image, size_of
from convoy.core.serving.model_services import MODEL_APIS, add_model_doors, gates
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline
from convoy.core.serving.streaming import answer_stream
from convoy.core.settings import Settings
from convoy.v1 import common_pb2

Request = TypeVar("Request", bound=Message)
Result = TypeVar("Result", bound=Message)
Response = TypeVar("Response", bound=Message)
Prepare: TypeAlias = Callable[[Picture, Manifest], tuple[Pixels, Placement]]
Where: TypeAlias = tuple[Placement, Picture]
Interpreter: TypeAlias = Callable[[Request, Manifest], Callable[[Outputs, Placement, Picture], Result]]


class PictureServicer(Generic[Request, Result, Response]):
    """Answers calls that carry pictures, with the models of a host.

    SERVICE: its name; CALLS: the RPCs of one message with pictures or signals, each with what its models do; TASKS:
    what the models of its main RPC do; BESIDE: what models of its other RPCs do; RESPONSE, STREAM_RESPONSE: the
    messages of the call and of its stream; prepare: the task's function from a picture to the graph's input;
    ANSWER_WEIGHT: how many pixels of memory, of three bytes each, one pixel takes while its answer is made.
    """

    SERVICE: ClassVar[ServiceName]
    CALLS: ClassVar[Mapping[str, tuple[Task, ...]]]
    TASKS: ClassVar[tuple[Task, ...]]
    BESIDE: ClassVar[tuple[Task, ...]] = ()
    RESPONSE: ClassVar[Any]
    STREAM_RESPONSE: ClassVar[Any]
    prepare: ClassVar[Prepare]
    ANSWER_WEIGHT: ClassVar[int] = 0

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    def interpreter(self, request: Request, manifest: Manifest) -> Callable[[Outputs, Placement, Picture], Result]:
        """Return the function that turns one picture's outputs into its result, by the request's options.

        Raises InvalidArgument.
        """
        raise NotImplementedError

    async def find_model(self, request: Any) -> LoadedModel:
        """Get the model that a request names. Raises NotFound, FailedPrecondition(WRONG_TASK, BAD_MODEL)."""
        return await self._host.model(request.model.name, request.model.version, self.TASKS)

    def complete(self, response: Any, manifest: Manifest) -> None:
        """Add what the answer says beside results and model."""

    def answer_weight(self, request: Request) -> int:
        """Return how many pixels of memory one pixel takes while its answer to this request is made."""
        return self.ANSWER_WEIGHT

    def answer_bytes(self, request: Request, pixels: int) -> int:
        """Return how many bytes the answer has at least, if the pictures of the request have so many pixels in all."""
        return 0

    async def _reserve_answer(self, request: Any) -> None:
        """Take room for the answer before any work. Raises InvalidArgument(ANSWER_TOO_LARGE), ResourceExhausted."""

        async def measure() -> int:
            if not self.answer_bytes(request, 1):
                return 0
            return self.answer_bytes(request, await asyncio.to_thread(lambda: sum(map(size_of, request.images))))

        await reserve(measure, self._host.pixels)

    async def answer(self, request: Any, context: Context) -> Response:
        """Answer a request that has one or several pictures."""
        return await self.answer_by(self.interpreter, request, context)

    async def answer_by(self, interpreter: Interpreter[Request, Result], request: Any, context: Context) -> Response:
        """Answer as `answer` does, with another function in the place of `interpreter`."""
        check_image_count(request.images, self._host.settings.max_images_per_call)
        model = await self.find_model(request)
        manifest, limits, prepare = model.manifest, self._host.limits, type(self).prepare
        interpret, smallest = interpreter(request, manifest), min_side(manifest.input)
        await self._reserve_answer(request)
        weight = self.answer_weight(request)

        def weigh(image: common_pb2.Image) -> int:
            # The picture's own pixels are gone when the answer is made.
            answer = weight * size_of(image) if weight else 0
            return max(pixels_of(image, smallest), answer)

        def read(image: common_pb2.Image) -> tuple[Pixels, Where]:
            picture = read_image(image, limits, smallest, manifest.input.window)
            pixels, placement = prepare(picture, manifest)
            return pixels, (placement, picture.outline())

        def conclude(outputs: Outputs, where: Where) -> Result:
            return interpret(outputs, *where)

        results = await self._host.pipeline.run(model, request.images, read, conclude, weigh, deadline(context))
        response: Response = self.RESPONSE(results=results, model=model_ref(manifest))
        self.complete(response, manifest)
        return response

    def answer_each(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        """Answer a stream of requests in order; a bad one gets its error, and the stream goes on."""
        return answer_stream(requests, lambda message: self.answer(message.request, context), self.STREAM_RESPONSE)


def picture_service(
    kind: type[PictureServicer[Any, Any, Any]],
    add: Callable[[Any, grpc.aio.Server], None],
    settings: Settings,
    may_lack: bool = False,
) -> Service:
    """Build the service of a servicer, without starting it. add: the generated function that adds it to a server.

    may_lack: it starts without its default model too.
    """
    chosen = {f"CONVOY_{kind.SERVICE.upper()}_MODEL": settings.model_of(kind.SERVICE)}
    host = ModelHost(settings, (*kind.TASKS, *kind.BESIDE), chosen, may_lack)

    def add_to(server: grpc.aio.Server) -> None:
        add(kind(host), server)
        add_model_doors(host, server)

    called = gates(host, {f"/{API[kind.SERVICE].grpc_name}/{call}": tasks for call, tasks in kind.CALLS.items()})
    return Service(kind.SERVICE, add_to, host.start, host.stop, called, beside=MODEL_APIS)
