"""Reads what a ModelInferRequest asks of one model, and refuses what does not fit the model."""

from collections import Counter

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import INPUT_NAME, Manifest
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.serving import tensor_parameters, tensors
from convoy.core.serving.infer_request import InferRequest
from convoy.core.serving.tensor_descriptions import datatype_of, input_dims
from convoy.inference import open_inference_pb2 as pb


def read_images(request: InferRequest, model: LoadedModel, queue_size: int) -> tensors.Array:
    """Return the pictures [N, H, W, 3] as views of the message.

    queue_size: most pictures that ever fit into the queue. Raises InvalidArgument(BAD_TENSOR).
    """
    inputs = tensors.read_inputs(request)
    if list(inputs) != [INPUT_NAME]:
        raise InvalidArgument("BAD_TENSOR", f"the model takes one input named '{INPUT_NAME}', not {list(inputs)}")
    images = inputs[INPUT_NAME]
    taken, sent = datatype_of(model.engine.inputs[INPUT_NAME][0]), tensors.NAMES[images.dtype]
    if sent != taken:
        raise InvalidArgument("BAD_TENSOR", f"'{INPUT_NAME}' must be {taken}, not {sent}")
    if images.ndim != 4 or images.shape[0] < 1 or not _fits(images.shape[1:], model.manifest):
        shape = [-1, *input_dims(model.manifest)]
        step = model.manifest.input.stride
        sides = f", height and width multiples of {step}" if model.manifest.input.height is None and step > 1 else ""
        message = f"'{INPUT_NAME}' has the shape {list(images.shape)}; it must fit {shape}{sides}"
        raise InvalidArgument("BAD_TENSOR", message)
    if len(images) > queue_size:
        message = f"the tensor has {len(images)} pictures; the queue takes at most {queue_size}"
        raise InvalidArgument("BAD_TENSOR", message)
    return images


def count_pixels(images: tensors.Array, model: LoadedModel, most: int) -> int:
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


def read_outputs(request: pb.ModelInferRequest, model: LoadedModel) -> dict[str, int]:
    """Return the outputs that the request wants, by name, each with its number of classes (0: its numbers as they are).

    Raises InvalidArgument(BAD_TENSOR, BAD_ARGUMENT).
    """
    known = model.engine.output_names
    if not request.outputs:
        return dict.fromkeys(known, 0)
    for name, times in Counter(output.name for output in request.outputs).items():
        if name not in known:
            raise InvalidArgument("BAD_TENSOR", f"the model has no output '{name}'; it has: {', '.join(known)}")
        if times > 1:
            raise InvalidArgument("BAD_TENSOR", f"the request names the output '{name}' {times} times")
    wanted = {output.name: tensor_parameters.class_count(output) for output in request.outputs}
    for name, classes in wanted.items():
        if classes and len(model.engine.outputs[name][1]) != 2:
            message = f"the output '{name}' does not have one number for each class, which 'classification' needs"
            raise InvalidArgument("BAD_ARGUMENT", message)
    return wanted


def _fits(shape: tuple[int, ...], manifest: Manifest) -> bool:
    height, width, channels = shape
    spec = manifest.input
    least = 2 * manifest.picture.overlap + 1 if manifest.picture and manifest.picture.trimmed else 1
    if channels != manifest.channels or height < least or width < least:
        return False
    if spec.height is not None:
        return (height, width) == (spec.height, spec.width)
    return height % spec.stride == 0 and width % spec.stride == 0
