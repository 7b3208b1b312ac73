"""ClassificationService: messages to and from the task."""

from collections.abc import AsyncIterator

import grpc

from convoy.classification import task
from convoy.core.api import API
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.resizing import min_side
from convoy.core.serving.messages import check_image_count, check_range, image_size, model_ref, pixels_of, read_image
from convoy.core.serving.model_services import MODEL_APIS, add_model_doors, gates
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline, stream_error
from convoy.core.serving.streaming import answer_in_order
from convoy.core.settings import Settings
from convoy.v1 import classification_pb2 as pb
from convoy.v1 import classification_pb2_grpc, common_pb2

DEFAULT_MODEL = "cifar10-resnet"
DEFAULT_TOP_K = 5
MAX_TOP_K = 10_000


class ClassificationServicer(classification_pb2_grpc.ClassificationServiceServicer):
    """Answers with a host's classifiers."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    async def Classify(self, request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        """Classify one picture or several."""
        check_image_count(request.images, self._host.settings.max_images_per_call)
        check_range("min_probability", request.min_probability, 0, 1)
        check_range("top_k", request.top_k, 0, MAX_TOP_K)
        model = self._host.model(request.model.name, request.model.version, Task.CLASSIFICATION)
        manifest, limits = model.manifest, self._host.limits
        options = task.Options(request.top_k or DEFAULT_TOP_K, request.min_probability)

        def weigh(image: common_pb2.Image) -> int:
            return pixels_of(image, min_side(manifest.input))

        def prepare(image: common_pb2.Image) -> tuple[Pixels, Picture]:
            picture = read_image(image, limits, min_side(manifest.input))
            return task.prepare(picture, manifest), picture.outline()

        def interpret(outputs: Outputs, picture: Picture) -> pb.Classification:
            labels = [_label(label) for label in task.interpret(outputs, manifest, options)]
            return pb.Classification(labels=labels, image_size=image_size(picture))

        results = await self._host.pipeline.run(model, request.images, prepare, interpret, weigh, deadline(context))
        return pb.ClassifyResponse(results=results, model=model_ref(manifest))

    async def ClassifyStream(
        self, requests: AsyncIterator[pb.ClassifyStreamRequest], context: Context
    ) -> AsyncIterator[pb.ClassifyStreamResponse]:
        """Classify a stream of requests, answered in order."""

        async def answer(request: pb.ClassifyStreamRequest) -> pb.ClassifyStreamResponse:
            response = await self.Classify(request.request, context)
            return pb.ClassifyStreamResponse(id=request.id, response=response)

        async for response in answer_in_order(requests, answer, _refuse):
            yield response


def _refuse(request: pb.ClassifyStreamRequest, error: ConvoyError) -> pb.ClassifyStreamResponse:
    return pb.ClassifyStreamResponse(id=request.id, error=stream_error(error))


def _label(label: task.Label) -> pb.Label:
    return pb.Label(index=label.index, name=label.name, probability=label.probability)


async def build(settings: Settings) -> Service:
    """The classification service, not started."""
    host = ModelHost(settings, {Task.CLASSIFICATION}, settings.model or DEFAULT_MODEL)

    def add_to(server: grpc.aio.Server) -> None:
        classification_pb2_grpc.add_ClassificationServiceServicer_to_server(ClassificationServicer(host), server)
        add_model_doors(host, server)

    called = gates(host, f"/{API['classification'].grpc_name}/Classify")
    return Service("classification", add_to, host.start, host.stop, called, beside=MODEL_APIS)
