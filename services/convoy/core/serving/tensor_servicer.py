"""The Open Inference Protocol: runs tensors through this process's graphs, in the same queue as pictures."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.metadata import version as distribution_version
from typing import Any

import grpc
import numpy as np

from convoy.core.api import TENSOR_API
from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.core.manifest import INPUT_NAME, Manifest
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.pipeline import in_order, infer
from convoy.core.models.repository import Entry
from convoy.core.models.statistics import Duration
from convoy.core.serving import tensors
from convoy.core.serving.infer_request import InferRequest
from convoy.core.serving.model_servicer import ModelServicer
from convoy.core.serving.status import Context, deadline
from convoy.core.serving.streaming import answer_in_order
from convoy.core.turns import current_turn
from convoy.inference import open_inference_pb2 as pb
from convoy.inference import open_inference_pb2_grpc
from convoy.v1 import common_pb2, models_pb2

PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("model_repository", "model_configuration", "statistics")
_ORT_TYPES = {
    "bool": "BOOL",
    "float": "FP32",
    "float16": "FP16",
    "double": "FP64",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


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
        return pb.ServerMetadataResponse(name="convoy", version=distribution_version("convoy"), extensions=EXTENSIONS)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Context) -> pb.ModelMetadataResponse:
        """Return the inputs and outputs of a model."""
        model = await self._host.repository.obtain(request.name, request.version)
        response = pb.ModelMetadataResponse(name=request.name, versions=[model.manifest.version], platform=PLATFORM)
        for name, (ort_type, _) in model.engine.inputs.items():
            response.inputs.add(name=name, datatype=_datatype(ort_type), shape=(-1, *_input_dims(model.manifest)))
        for name, (ort_type, shape) in model.engine.outputs.items():
            response.outputs.add(name=name, datatype=_datatype(ort_type), shape=(-1, *_dims(shape)[1:]))
        return response

    async def ModelConfig(self, request: pb.ModelConfigRequest, context: Context) -> pb.ModelConfigResponse:
        """Return a model's configuration, in Triton's words."""
        model = await self._host.repository.obtain(request.name, request.version)
        policy = model.batcher.policy
        config = pb.ModelConfig(
            name=request.name, platform=PLATFORM, backend="onnxruntime", max_batch_size=policy.max_batch_size
        )
        config.dynamic_batching.max_queue_delay_microseconds = round(policy.max_queue_delay_s * 1e6)
        for name, (ort_type, _) in model.engine.inputs.items():
            data_type = pb.DataType.Value(f"TYPE_{_datatype(ort_type)}")
            config.input.add(name=name, data_type=data_type, dims=_input_dims(model.manifest))
        for name, (ort_type, shape) in model.engine.outputs.items():
            data_type = pb.DataType.Value(f"TYPE_{_datatype(ort_type)}")
            config.output.add(name=name, data_type=data_type, dims=_dims(shape)[1:])
        return pb.ModelConfigResponse(config=config)

    async def ModelInfer(self, sent: InferRequest, context: Context) -> pb.ModelInferResponse:  # type: ignore[override]
        """Run tensors through a graph. Its rows may share batches with rows of other callers."""
        request = sent.message
        model = await self._host.repository.obtain(request.model_name, request.model_version)
        images = _read_images(sent, model)
        if len(images) > (most := self._host.settings.queue_size):
            # It never fits into the queue.
            raise InvalidArgument(
                "BAD_TENSOR", f"the tensor has {len(images)} pictures; the queue takes at most {most}"
            )
        wanted = _wanted_outputs(request, model)
        until, priority = _earliest(deadline(context), request), _priority(request)
        pixels = _count_pixels(images, model, self._host.settings.max_tensor_pixels)

        async def run(row: tensors.Array) -> dict[str, tensors.Array]:
            return await infer(model, row, until, priority)

        async with AsyncExitStack() as held:
            with model.batcher.preparing(until):
                await held.enter_async_context(self._host.tensor_pixels.taken(pixels))
            rows = await in_order(images, run)
        response = pb.ModelInferResponse(
            model_name=model.manifest.name, model_version=model.manifest.version, id=request.id
        )
        outputs = {name: _stack([row[name] for row in rows]) for name in wanted}
        tensors.write_outputs(response, outputs, raw=bool(sent.raw))
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
        return pb.ModelStatisticsResponse(model_stats=map(_statistics, models))

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
        model = common_pb2.ModelRef(name=request.model_name)
        await self._models.LoadModel(models_pb2.LoadModelRequest(model=model), context)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: Context
    ) -> pb.RepositoryModelUnloadResponse:
        """Unload a model."""
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


def _read_images(request: InferRequest, model: LoadedModel) -> tensors.Array:
    inputs = tensors.read_inputs(request)
    if list(inputs) != [INPUT_NAME]:
        raise InvalidArgument("BAD_TENSOR", f"the model takes one input named '{INPUT_NAME}', not {list(inputs)}")
    images = inputs[INPUT_NAME]
    taken, sent = _datatype(model.engine.inputs[INPUT_NAME][0]), tensors.NAMES[images.dtype]
    if sent != taken:
        raise InvalidArgument("BAD_TENSOR", f"'{INPUT_NAME}' must be {taken}, not {sent}")
    if images.ndim != 4 or images.shape[0] < 1 or not _fits(images.shape[1:], model.manifest):
        shape = [-1, *_input_dims(model.manifest)]
        step = model.manifest.input.stride
        sides = f", height and width multiples of {step}" if model.manifest.input.height is None and step > 1 else ""
        message = f"'{INPUT_NAME}' has the shape {list(images.shape)}; it must fit {shape}{sides}"
        raise InvalidArgument("BAD_TENSOR", message)
    return images


def _fits(shape: tuple[int, ...], manifest: Manifest) -> bool:
    height, width, channels = shape
    spec = manifest.input
    if channels != 3 or height < 1 or width < 1:
        return False
    if spec.height is not None:
        return (height, width) == (spec.height, spec.width)
    return height % spec.stride == 0 and width % spec.stride == 0


def _count_pixels(images: tensors.Array, model: LoadedModel, most: int) -> int:
    """Count the pixels of [N, H, W, 3]; 0 if the graph has a fixed size, which bounds them.

    Raises InvalidArgument(TOO_MANY_PIXELS).
    """
    if model.manifest.input.height is not None:
        return 0
    count, height, width = images.shape[:3]
    pixels: int = count * height * width
    if pixels > most:
        facts = {"batch": count, "width": width, "height": height, "max_pixels": most}
        message = f"'{INPUT_NAME}' has {count:,} x {width:,} x {height:,} pixels; a call may have at most {most:,}"
        raise InvalidArgument("TOO_MANY_PIXELS", message, facts)
    return pixels


def _wanted_outputs(request: pb.ModelInferRequest, model: LoadedModel) -> list[str]:
    wanted = [output.name for output in request.outputs] or model.engine.output_names
    if unknown := [name for name in wanted if name not in model.engine.output_names]:
        known = ", ".join(model.engine.output_names)
        raise InvalidArgument("BAD_TENSOR", f"the model has no output '{unknown[0]}'; it has: {known}")
    return wanted


def _stack(rows: list[tensors.Array]) -> tensors.Array:
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def _earliest(until: float | None, request: pb.ModelInferRequest) -> float | None:
    """Return the caller's deadline, or that of the request's `timeout` in microseconds if it is sooner."""
    timeout_us = _whole_number(request, "timeout")
    if timeout_us <= 0:
        return until
    own = time.monotonic() + timeout_us / 1e6
    return own if until is None else min(until, own)


def _priority(request: pb.ModelInferRequest) -> int:
    """Convert Triton's priority (1: most urgent, 0: default) to our queue's, where the highest number comes first."""
    priority = _whole_number(request, "priority")
    if not current_turn().may_hurry:
        return 0  # as Triton does where the model's configuration has no priorities
    return 0 if priority <= 0 else max(1, 1_000_000 - priority)


def _whole_number(request: pb.ModelInferRequest, name: str) -> int:
    if name not in request.parameters:
        return 0
    value = request.parameters[name]
    choice = value.WhichOneof("parameter_choice")
    if choice not in ("int64_param", "uint64_param"):
        raise InvalidArgument("BAD_ARGUMENT", f"the parameter {name} must be a whole number")
    return int(getattr(value, choice))


def _refuse(request: InferRequest, error: ConvoyError) -> pb.ModelStreamInferResponse:
    response = pb.ModelStreamInferResponse(error_message=f"{error.reason}: {error}")
    response.infer_response.id = request.message.id
    return response


def _statistics(model: LoadedModel) -> pb.ModelStatistics:
    counted = model.statistics
    return pb.ModelStatistics(
        name=model.manifest.name,
        version=model.manifest.version,
        last_inference=counted.last_inference_ms,
        inference_count=counted.success.count,
        execution_count=round(counted.batches),
        inference_stats=pb.InferStatistics(
            success=_duration(counted.success),
            fail=_duration(counted.fail),
            queue=_duration(counted.queue),
            compute_infer=_duration(counted.infer),
        ),
    )


def _duration(duration: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=duration.count, ns=round(duration.seconds * 1e9))


def _reason(entry: Entry) -> str:
    return entry.problem or ("" if entry.loaded else "not loaded")


def _datatype(ort_type: str) -> str:
    """Convert ONNX's name of a type to the protocol's: tensor(uint8) -> UINT8."""
    return _ORT_TYPES[ort_type.removeprefix("tensor(").removesuffix(")")]


def _dims(shape: list[object]) -> list[int]:
    return [length if isinstance(length, int) else -1 for length in shape]


def _input_dims(manifest: Manifest) -> tuple[int, int, int]:
    spec = manifest.input
    return (spec.height or -1, spec.width or -1, 3)
