"""Runs the original file on plain ONNX Runtime, so that the import can compare the wrapped graph with it.

It prepares pixels in NumPy by the definition of the preprocessing, not with the front that is drawn into the graph.
"""

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from convoy.core.errors import ConvoyError
from convoy.core.models.engine import Outputs, PlainGraph
from convoy.core.pictures.decoding import Pixels
from convoy.importing.network import Network
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof, shorten


class Original:
    """An original file, opened once."""

    def __init__(self, network: Network) -> None:
        """Raises Disproof if ONNX Runtime cannot load it."""
        self._network = network
        try:
            self._graph = PlainGraph(network.plain)
        except ConvoyError as error:
            raise Disproof(error.message) from None

    def run(self, image: Pixels, how: Preprocessing) -> Outputs:
        """Compute its outputs for one picture [height, width, 3]. Raises Disproof if it fails."""
        batch = self._network.batch
        copies = batch if isinstance(batch, int) else 1
        pixels = np.repeat(prepare(image, self._network, how), copies, axis=0)
        try:
            rows = {name: np.repeat(row[None], copies, axis=0) for name, row in self._network.bound.items()}
            outputs = self._graph.run({self._network.inputs[0].name: pixels} | rows)
        except Exception as error:  # onnxruntime raises bare exceptions of its own hierarchy
            raise Disproof(shorten(str(error))) from None
        return {name: array[:1] if _has_batch(array, copies) else array for name, array in outputs.items()}


def prepare(image: Pixels, network: Network, how: Preprocessing) -> npt.NDArray[np.generic]:
    """Prepare a picture as the network takes it, with a batch of one."""
    pixels = image.astype(np.float64)
    if network.channels == 1:
        thousandths = image.astype(np.int64) @ np.array([299, 587, 114])
        pixels = ((thousandths + 500) // 1000)[..., None].astype(np.float64)
    if network.input_type != TensorProto.UINT8:
        mean, std = (np.array(numbers[: network.channels]) for numbers in (how.mean, how.std))
        pixels = (pixels * how.scale - mean) / std
    if how.bgr:
        pixels = pixels[..., ::-1]
    if network.layout == "nchw":
        pixels = pixels.transpose(2, 0, 1)
    kind = helper.tensor_dtype_to_np_dtype(network.input_type)
    return np.ascontiguousarray(pixels[None].astype(kind))


def _has_batch(array: npt.NDArray[np.generic], copies: int) -> bool:
    return copies > 1 and array.ndim > 0 and array.shape[0] == copies
