"""ClassificationService: messages to and from the task."""

from collections.abc import AsyncIterator, Callable

from convoy.classification import task
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.core.serving.explaining import Explainer
from convoy.core.serving.messages import check_range, image_size, model_ref
from convoy.core.serving.picture_service import PictureServicer, picture_service
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline
from convoy.core.settings import Settings
from convoy.v1 import classification_pb2 as pb
from convoy.v1.classification_pb2_grpc import ClassificationServiceServicer, add_ClassificationServiceServicer_to_server

DEFAULT_TOP_K = 5
MAX_TOP_K = 10_000


class ClassificationServicer(
    PictureServicer[pb.ClassifyRequest, pb.Classification, pb.ClassifyResponse], ClassificationServiceServicer
):
    """Answers with a host's classifiers."""

    SERVICE = "classification"
    CALLS = ("Classify", "Explain")
    TASKS = (Task.CLASSIFICATION,)
    RESPONSE = pb.ClassifyResponse
    STREAM_RESPONSE = pb.ClassifyStreamResponse
    prepare = task.prepare

    def __init__(self, host: ModelHost) -> None:
        super().__init__(host)
        self._explainer = Explainer(host, self.TASKS, task.prepare)

    async def Classify(self, request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        """Classify one picture or several."""
        return await self.answer(request, context)

    def ClassifyStream(
        self, requests: AsyncIterator[pb.ClassifyStreamRequest], context: Context
    ) -> AsyncIterator[pb.ClassifyStreamResponse]:
        """Classify a stream of requests, answered in order."""
        return self.answer_each(requests, context)

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        """Show which places of a picture speak for a label."""
        explained = await self._explainer.explain(
            request, deadline(context), lambda outputs, _, __, index, ___: task.aim(outputs, index)
        )
        return pb.ExplainResponse(
            explanation=explained.explanation,
            index=explained.target.index,
            label=explained.label,
            model=model_ref(explained.manifest),
        )

    def interpreter(
        self, request: pb.ClassifyRequest, manifest: Manifest
    ) -> Callable[[Outputs, Placement, Picture], pb.Classification]:
        """Return the function that picks labels by the request's top_k and min_probability."""
        check_range("min_probability", request.min_probability, 0, 1)
        check_range("top_k", request.top_k, 0, MAX_TOP_K)
        options = task.Options(request.top_k or DEFAULT_TOP_K, request.min_probability)

        def interpret(outputs: Outputs, _: Placement, picture: Picture) -> pb.Classification:
            labels = [_label(label) for label in task.interpret(outputs, manifest, options)]
            return pb.Classification(labels=labels, image_size=image_size(picture))

        return interpret


def _label(label: task.Label) -> pb.Label:
    return pb.Label(index=label.index, name=label.name, probability=label.probability)


async def build(settings: Settings) -> Service:
    """Build the classification service, without starting it."""
    return picture_service(ClassificationServicer, add_ClassificationServiceServicer_to_server, settings)
