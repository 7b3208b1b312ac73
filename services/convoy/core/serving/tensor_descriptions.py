"""What the Open Inference Protocol says of a model: its tensors, its configuration, its statistics."""

from convoy.core.manifest import Manifest
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.statistics import Duration
from convoy.inference import open_inference_pb2 as pb

PLATFORM = "onnxruntime_onnx"
_ORT_TYPES = {
    "bool": "BOOL",
    "float": "FP32",
    "float16": "FP16",
    "double": "FP64",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def metadata(name: str, model: LoadedModel) -> pb.ModelMetadataResponse:
    """Return the inputs and outputs of a model, under the name that the caller used."""
    response = pb.ModelMetadataResponse(name=name, versions=[model.manifest.version], platform=PLATFORM)
    for tensor, (ort_type, _) in model.engine.inputs.items():
        response.inputs.add(name=tensor, datatype=datatype_of(ort_type), shape=(-1, *input_dims(model.manifest)))
    for tensor, (ort_type, shape) in model.engine.outputs.items():
        response.outputs.add(name=tensor, datatype=datatype_of(ort_type), shape=(-1, *_dims(shape)[1:]))
    return response


def configuration(name: str, model: LoadedModel) -> pb.ModelConfig:
    """Return a model's configuration, in Triton's words, under the name that the caller used."""
    policy = model.batcher.policy
    config = pb.ModelConfig(name=name, platform=PLATFORM, backend="onnxruntime", max_batch_size=policy.max_batch_size)
    config.dynamic_batching.max_queue_delay_microseconds = round(policy.max_queue_delay_s * 1e6)
    for tensor, (ort_type, _) in model.engine.inputs.items():
        config.input.add(
            name=tensor,
            data_type=pb.DataType.Value(f"TYPE_{datatype_of(ort_type)}"),
            format=pb.ModelInput.FORMAT_NHWC,
            dims=input_dims(model.manifest),
        )
    for tensor, (ort_type, shape) in model.engine.outputs.items():
        data_type = pb.DataType.Value(f"TYPE_{datatype_of(ort_type)}")
        config.output.add(name=tensor, data_type=data_type, dims=_dims(shape)[1:])
    return config


def statistics(model: LoadedModel) -> pb.ModelStatistics:
    """Return counts and durations of a model since it was loaded."""
    counted = model.statistics
    return pb.ModelStatistics(
        name=model.manifest.name,
        version=model.manifest.version,
        last_inference=counted.last_inference_ms,
        inference_count=counted.inputs,
        execution_count=round(counted.batches),
        inference_stats=pb.InferStatistics(
            success=_duration(counted.success),
            fail=_duration(counted.fail),
            queue=_duration(counted.stages.queue),
            compute_input=_duration(counted.stages.prepare),
            compute_infer=_duration(counted.stages.infer),
            compute_output=_duration(counted.stages.finish),
        ),
    )


def datatype_of(ort_type: str) -> str:
    """Convert ONNX's name of a type to the protocol's: tensor(uint8) -> UINT8."""
    return _ORT_TYPES[ort_type.removeprefix("tensor(").removesuffix(")")]


def input_dims(manifest: Manifest) -> tuple[int, int, int]:
    """Height, width and channels of the input; -1 for any."""
    spec = manifest.input
    return (spec.height or -1, spec.width or -1, manifest.channels)


def _duration(duration: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=duration.count, ns=round(duration.seconds * 1e9))


def _dims(shape: list[object]) -> list[int]:
    return [length if isinstance(length, int) else -1 for length in shape]
