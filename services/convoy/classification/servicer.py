"""ClassificationService: messages to and from the task."""

from collections.abc import AsyncIterator, Callable

import numpy as np

from convoy.classification import signals, task
from convoy.classification.embedder import Embedder
from convoy.classification.signals import Samples, Signal
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import Placement
from convoy.core.serving.explaining import Explainer
from convoy.core.serving.messages import check_image_count, check_range, image_size, model_ref
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
    TASKS = (Task.CLASSIFICATION,)
    CALLS = dict.fromkeys(("Classify", "Explain"), TASKS) | {
        "ClassifySignal": (Task.SIGNAL_CLASSIFICATION,),
        "EmbedImages": Embedder.TASKS,
    }
    BESIDE = (Task.SIGNAL_CLASSIFICATION, Task.EMBEDDING)
    RESPONSE = pb.ClassifyResponse
    STREAM_RESPONSE = pb.ClassifyStreamResponse
    prepare = task.prepare

    def __init__(self, host: ModelHost) -> None:
        super().__init__(host)
        self._explainer = Explainer(host, self.TASKS, task.prepare)
        self._embedder = Embedder(host)

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

    async def EmbedImages(self, request: pb.EmbedImagesRequest, context: Context) -> pb.EmbedImagesResponse:
        """Embed one picture or several."""
        return await self._embedder.answer(request, context)

    async def GetEmbedder(self, request: pb.GetEmbedderRequest, context: Context) -> pb.GetEmbedderResponse:
        """Name an embedder, and what its similarities mean."""
        return await self._embedder.describe(request)

    async def ClassifySignal(self, request: pb.ClassifySignalRequest, context: Context) -> pb.ClassifySignalResponse:
        """Say what signals show."""
        check_image_count(request.signals, self._host.settings.max_images_per_call, "signals")
        model = await self._host.model(request.model.name, request.model.version, Task.SIGNAL_CLASSIFICATION)
        options, manifest, spec = _options(request), model.manifest, model.manifest.signal
        assert spec is not None  # the manifest proves it

        def read(sent: pb.Signal) -> tuple[Samples, bool]:
            return signals.prepare(_read_signal(sent), spec, request.resample), sent.rate_hz != spec.rate_hz

        def conclude(outputs: Outputs, resampled: bool) -> pb.SignalClassification:
            labels = [_label(label) for label in task.interpret(outputs, manifest, options)]
            return pb.SignalClassification(labels=labels, resampled=resampled)

        results = await self._host.pipeline.run(
            model, request.signals, read, conclude, lambda sent: len(sent.samples), deadline(context), "signal"
        )
        return pb.ClassifySignalResponse(results=results, model=model_ref(manifest))

    def interpreter(
        self, request: pb.ClassifyRequest, manifest: Manifest
    ) -> Callable[[Outputs, Placement, Picture], pb.Classification]:
        """Return the function that picks labels by the request's top_k and min_probability."""
        options = _options(request)

        def interpret(outputs: Outputs, _: Placement, picture: Picture) -> pb.Classification:
            labels = [_label(label) for label in task.interpret(outputs, manifest, options)]
            return pb.Classification(labels=labels, image_size=image_size(picture))

        return interpret


def _options(request: pb.ClassifyRequest | pb.ClassifySignalRequest) -> task.Options:
    check_range("min_probability", request.min_probability, 0, 1)
    check_range("top_k", request.top_k, 0, MAX_TOP_K)
    return task.Options(request.top_k or DEFAULT_TOP_K, request.min_probability)


def _read_signal(sent: pb.Signal) -> Signal:
    """Raises InvalidArgument(BAD_SIGNAL) if the samples do not fill all channels."""
    channels = sent.channels or 1
    samples = np.array(sent.samples, np.float32)
    if samples.size % channels:
        message = f"the signal has {samples.size} samples, which are no multiple of its {channels} channels"
        raise InvalidArgument("BAD_SIGNAL", message)
    return Signal(samples.reshape(-1, channels), sent.rate_hz)


def _label(label: task.Label) -> pb.Label:
    return pb.Label(index=label.index, name=label.name, probability=label.probability)


async def build(settings: Settings) -> Service:
    """Build the classification service, without starting it."""
    return picture_service(ClassificationServicer, add_ClassificationServiceServicer_to_server, settings)
