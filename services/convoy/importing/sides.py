"""Finds out which sizes of pictures a network takes that makes pictures, by running it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from convoy.importing.adapters.picture_to_picture.pictures import Place, find_place
from convoy.importing.network import Network, bad_network
from convoy.importing.original import Original
from convoy.importing.pictures import random_images
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof

STRIDES = (1, 2, 4, 8, 16, 32, 64)
BASE = 128
OPENED = 1e-4
"""Largest difference of a freed graph from its file, relative to the largest number."""
USUAL_SIDE = 256
"""Where the file declares none."""


def check_opened(network: Network, original: Original, how: Preprocessing) -> None:
    """Compare a graph whose size was freed with the file, at its declared size. Raises InvalidArgument(BAD_NETWORK)."""
    if isinstance(network.plain, Path):
        return
    declared = _read_declared(network)
    image = random_images(1, *declared)[0]
    try:
        wanted = Original(replace(network, plain=network.file)).run(image, how)
        found = original.run(image, how)
    except Disproof as disproof:
        raise bad_network(
            network.file, f"ONNX Runtime cannot run it on {declared[0]}x{declared[1]}: {disproof}"
        ) from None
    for name, answer in wanted.items():
        numbers, freed = np.asarray(answer, np.float64), np.asarray(found[name], np.float64)
        largest = max(1.0, float(np.abs(numbers).max(initial=0.0)))
        if freed.shape != numbers.shape or not float(np.abs(freed - numbers).max(initial=0.0)) <= OPENED * largest:
            problem = (
                f"it changes where its size is made dynamic ({name} differs); export it with dynamic height and width"
            )
            raise bad_network(network.file, problem)


def find_stride(network: Network, original: Original, how: Preprocessing) -> int:
    """The least number of which the sides must be multiples. Raises InvalidArgument(BAD_NETWORK)."""
    wanted = _places(original, how, BASE, BASE)
    for stride in STRIDES:
        try:
            if _places(original, how, BASE + stride, BASE + 3 * stride) == wanted:
                return stride
        except Disproof:
            continue
    problem = f"it takes no sides that are multiples of {STRIDES[-1]} alone; export it with dynamic height and width"
    raise bad_network(network.file, problem)


def _read_declared(network: Network) -> tuple[int, int]:
    """The height and width that the file itself declares."""
    graph = onnx.load(network.file, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    lengths = next(value for value in graph.input if value.name not in weights).type.tensor_type.shape.dim
    height, width = lengths[2:] if network.layout == "nchw" else lengths[1:3]
    return height.dim_value or USUAL_SIDE, width.dim_value or USUAL_SIDE


def _places(original: Original, how: Preprocessing, height: int, width: int) -> list[Place | None]:
    """How each output covers the input: the same for all sizes that the network takes. Raises Disproof."""
    outputs = original.run(random_images(1, height, width)[0], how)
    return [find_place(array.shape, (height, width)) for array in outputs.values()]
