"""The Open Inference Protocol: runs tensors through this process's graphs, in the same queue as pictures."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import grpc
import numpy as np

from convoy.core.api import TENSOR_API
from convoy.core.errors import ConvoyError, DeadlineExceeded
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.pipeline import in_order, infer
from convoy.core.models.versions import Entry
from convoy.core.serving import tensor_descriptions, tensor_parameters, tensor_requests, tensors
from convoy.core.serving.infer_request import InferRequest
from convoy.core.serving.model_servicer import ModelServicer
from convoy.core.serving.status import Context, deadline
from convoy.core.serving.streaming import answer_in_order
from convoy.core.serving.top_classes import top_classes
from convoy.core.versions import convoy_version
from convoy.inference import open_inference_pb2 as pb
from convoy.inference import open_inference_pb2_grpc
from convoy.v1 import common_pb2, models_pb2

Value = TypeVar("Value")
EXTENSIONS = ("model_repository", "model_configuration", "statistics", "classification", "schedule_policy")


class TensorServicer(open_inference_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers with a host's graphs. Calls that load and unload go through ModelService, with its checks."""

    def __init__(self, host: ModelHost, models: ModelServicer) -> None:
        self._host = host
        self._models = models

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Context) -> pb.ServerLiveResponse:
        """Whether the process answers at all."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Context) -> pb.ServerReadyResponse:
        """Whether the default model is loaded."""
        return pb.ServerReadyResponse(ready=bool(self._host.repository.loaded()))

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:
        """Whether a model answers. This includes a model that its first call will load."""
        return pb.ModelReadyResponse(ready=self._host.repository.answers(request.name, request.version))

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: Context) -> pb.ServerMetadataResponse:
        """Return name, version and extensions of the server."""
        return pb.ServerMetadataResponse(name="convoy", version=convoy_version(), extensions=EXTENSIONS)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Context) -> pb.ModelMetadataResponse:
        """Return the inputs and outputs of a model."""
        model = await self._host.repository.obtain(request.name, request.version)
        return tensor_descriptions.metadata(request.name, model)

    async def ModelConfig(self, request: pb.ModelConfigRequest, context: Context) -> pb.ModelConfigResponse:
        """Return a model's configuration, in Triton's words."""
        model = await self._host.repository.obtain(request.name, request.version)
        return pb.ModelConfigResponse(config=tensor_descriptions.configuration(request.name, model))

    async def ModelInfer(self, sent: InferRequest, context: Context) -> pb.ModelInferResponse:  # type: ignore[override]
        """Run tensors through a graph. Its rows may share batches with rows of other callers."""
        tensor_parameters.check(sent.message)
        own, called = tensor_parameters.expiry(sent.message), deadline(context)
        if own is None or (called is not None and called <= own):
            return await self._infer(sent, called)
        try:
            # The batcher looks at deadlines before a run. This answers while the engine still runs.
            async with asyncio.timeout(own - time.monotonic()) as timer:
                return await self._infer(sent, own)
        except TimeoutError:
            if not timer.expired():
                raise
            message = "the time that the parameter 'timeout' gives has passed"
            raise DeadlineExceeded("DEADLINE_EXCEEDED", message) from None

    async def _infer(self, sent: InferRequest, until: float | None) -> pb.ModelInferResponse:
        request, settings = sent.message, self._host.settings
        model = await self._host.repository.obtain(request.model_name, request.model_version)
        started = time.perf_counter()
        images = await _off_loop(sent, tensor_requests.read_images, sent, model, settings.queue_size)
        pixels = tensor_requests.count_pixels(images, model, settings.max_tensor_pixels)
        wanted = tensor_requests.read_outputs(request, model)
        priority = tensor_parameters.priority(request)

        async def run(row: tensors.Array) -> dict[str, tensors.Array]:
            return await infer(model, row, until, stages, priority)

        with model.statistics.request() as stages:
            async with AsyncExitStack() as held:
                with model.batcher.preparing(until):
                    await held.enter_async_context(self._host.tensor_pixels.taken(pixels))
                stages.prepare.add(time.perf_counter() - started)
                rows = await in_order(images, run)
            started = time.perf_counter()
            response = await _off_loop(sent, _answer, sent, model, rows, wanted)
            stages.finish.add(time.perf_counter() - started)
        return response

    async def ModelStreamInfer(  # type: ignore[override]
        self, requests: AsyncIterator[InferRequest], context: Context
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        """Run a stream of tensors, answered in order."""

        async def answer(request: InferRequest) -> pb.ModelStreamInferResponse:
            return pb.ModelStreamInferResponse(infer_response=await self.ModelInfer(request, context))

        async for response in answer_in_order(requests, answer, _refuse):
            yield response

    async def ModelStatistics(self, request: pb.ModelStatisticsRequest, context: Context) -> pb.ModelStatisticsResponse:
        """Return counts and durations of one model or of all."""
        if request.name:
            models = [await self._host.repository.obtain(request.name, request.version)]
        else:
            models = list(self._host.repository.loaded())
        return pb.ModelStatisticsResponse(model_stats=map(tensor_descriptions.statistics, models))

    async def RepositoryIndex(self, request: pb.RepositoryIndexRequest, context: Context) -> pb.RepositoryIndexResponse:
        """List every version in the repository."""
        entries = [e for e in await self._host.repository.entries() if e.loaded or not request.ready]
        response = pb.RepositoryIndexResponse()
        for entry in entries:
            state = "READY" if entry.loaded else "UNAVAILABLE"
            response.models.add(name=entry.name, version=entry.version, state=state, reason=_reason(entry))
        return response

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, context: Context
    ) -> pb.RepositoryModelLoadResponse:
        """Load the newest version of a model."""
        tensor_parameters.check_load(request)
        model = common_pb2.ModelRef(name=request.model_name)
        await self._models.LoadModel(models_pb2.LoadModelRequest(model=model), context)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: Context
    ) -> pb.RepositoryModelUnloadResponse:
        """Unload a model."""
        tensor_parameters.check_unload(request)
        model = common_pb2.ModelRef(name=request.model_name)
        await self._models.UnloadModel(models_pb2.UnloadModelRequest(model=model), context)
        return pb.RepositoryModelUnloadResponse()


def infer_handlers(servicer: TensorServicer) -> grpc.GenericRpcHandler:
    """Return handlers for the two calls that carry tensors, since generated code would copy these."""
    read, write = InferRequest.from_bytes, pb.ModelInferResponse.SerializeToString
    one: Any = servicer.ModelInfer
    many: Any = servicer.ModelStreamInfer
    handlers = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(one, read, write),
        "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(
            many, read, pb.ModelStreamInferResponse.SerializeToString
        ),
    }
    return grpc.method_handlers_generic_handler(TENSOR_API, handlers)


async def _off_loop(sent: InferRequest, work: Callable[..., Value], *arguments: Any) -> Value:
    """Do the work in a thread if the request has typed contents, where a million numbers take 50 milliseconds."""
    return work(*arguments) if sent.raw else await asyncio.to_thread(work, *arguments)


def _answer(
    sent: InferRequest, model: LoadedModel, rows: list[dict[str, tensors.Array]], wanted: dict[str, int]
) -> pb.ModelInferResponse:
    """wanted: the outputs by name, each with the number of classes to give in place of its numbers."""
    name, version = model.manifest.name, model.manifest.version
    response = pb.ModelInferResponse(model_name=name, model_version=version, id=sent.message.id)
    tensor_parameters.mark_final(sent.message, response)
    outputs = {name: _stack([row[name] for row in rows]) for name in wanted}
    for name, count in wanted.items():
        if count:
            outputs[name] = top_classes(outputs[name], count, model.manifest.labels)
    tensors.write_outputs(response, outputs, raw=bool(sent.raw))
    return response


def _stack(rows: list[tensors.Array]) -> tensors.Array:
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def _refuse(request: InferRequest, error: ConvoyError) -> pb.ModelStreamInferResponse:
    response = pb.ModelStreamInferResponse(error_message=f"{error.reason}: {error}")
    response.infer_response.id = request.message.id
    return response


def _reason(entry: Entry) -> str:
    return entry.problem or ("" if entry.loaded else "not loaded")
