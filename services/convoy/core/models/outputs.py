"""Compares a graph's outputs with its manifest, when the graph is loaded and not in a caller's request."""

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Manifest, Task

Outputs = dict[str, npt.NDArray[np.generic]]
Shape = tuple[int | None, ...]
PER_BOX = ("boxes", "scores", "landmarks", "coefficients", "masks", "points")
"""Outputs that have a row for each box."""


def output_problem(manifest: Manifest, outputs: Outputs, batch: int, size_hw: tuple[int, int]) -> str:
    """Say in one sentence what is wrong with the outputs for a batch of inputs of this size; empty if nothing is."""
    shapes = _shapes(manifest, batch, size_hw)
    for name in manifest.outputs:
        array, wanted = outputs[name], shapes[name]
        if not _fits(array.shape, wanted):
            return f"the output {name} has shape {list(array.shape)}; the manifest says {_show(wanted)}"
        if array.dtype.kind != ("u" if name == "class_map" else "f"):
            return f"the output {name} is {array.dtype}"
        if name == "pictures" and array.shape[3] not in (1, 3):
            return f"the output pictures has {array.shape[3]} channels, not 1 or 3"
        if name == "points" and array.shape[3] not in (2, 3):
            return f"the output points has {array.shape[3]} numbers for each point, not 2 or 3"
    return _mismatch(manifest, outputs)


def _mismatch(manifest: Manifest, outputs: Outputs) -> str:
    per_box = [name for name in manifest.outputs if name in PER_BOX]
    if len({outputs[name].shape[1] for name in per_box}) > 1:
        return f"{', '.join(per_box[:-1])} and {per_box[-1]} differ in number"
    if "prototypes" in manifest.outputs and outputs["prototypes"].shape[1] != outputs["coefficients"].shape[2]:
        prototypes, coefficients = outputs["prototypes"].shape[1], outputs["coefficients"].shape[2]
        return f"there are {prototypes} prototypes and {coefficients} coefficients"
    return ""


def _shapes(manifest: Manifest, batch: int, size_hw: tuple[int, int]) -> dict[str, Shape]:
    """The length of each axis; None allows any."""
    classes = len(manifest.labels)
    scores = 1 if manifest.task is Task.FACE_DETECTION else classes
    return {
        "probabilities": (batch, classes),
        "boxes": (batch, None, 4),
        "scores": (batch, None, scores),
        "landmarks": (batch, None, 5, 2),
        "prototypes": (batch, None, None, None),
        "coefficients": (batch, None, None),
        "masks": (batch, None, None, None),
        "points": (batch, None, len(manifest.points), None),
        "class_map": (batch, *([manifest.volume.slices] if manifest.volume else []), *size_hw),
        "embeddings": (batch, manifest.embedding_size),
        "pictures": (batch, *_answered(manifest, size_hw), None),
    }


def _answered(manifest: Manifest, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the picture that a picture_to_picture graph gives for an input of this size."""
    spec = manifest.picture
    if spec is None:
        return size_hw
    missing = 2 * spec.overlap if spec.trimmed else 0
    height, width = size_hw
    return (height - missing) * spec.scale, (width - missing) * spec.scale


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _show(wanted: Shape) -> str:
    return f"[{', '.join('any' if length is None else str(length) for length in wanted)}]"
