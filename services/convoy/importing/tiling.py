"""Finds out how far a network sees that makes pictures, so that it can be served in tiles.

No shape tells that, so the file itself is run on parts of a picture: their answers must be those of the whole picture.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import InputSpec, Manifest
from convoy.core.pictures.decoding import Pixels
from convoy.importing.adapters.adapter import Adapter, Reading
from convoy.importing.inspection import Inspection
from convoy.importing.network import bad_network
from convoy.importing.original import Original
from convoy.importing.pictures import random_images, trials
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof

CORE = 64
OVERLAPS = (0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
SIDE = 448
"""Room for the core, the largest overlap, and as much again up to the border of the picture."""
SEAM = 0.25
"""Largest difference in grey levels of a tile from the whole picture: a seam may have one."""


Levels = npt.NDArray[np.float64]


def find_overlap(original: Original, adapter: Adapter, reading: Reading, how: Preprocessing, stride: int) -> int | None:
    """How many pixels a tile needs on every side, so that no seam shows; None if more than can be. Raises Disproof."""

    def run(image: Pixels) -> Levels:
        outputs = original.run(image, how)
        values = [outputs[name] for name in reading.outputs]
        height, width = image.shape[:2]
        return np.asarray(adapter.decode(values, height, width, reading)["pictures"][0], np.float64)

    pictures = [random_images(1, SIDE, SIDE)[0], _photograph()]
    wholes = [run(picture) for picture in pictures]
    for overlap in _candidates(stride, reading):
        seams = (_seam(run, picture, whole, overlap, reading) for picture, whole in zip(pictures, wholes, strict=True))
        if all(seam <= SEAM for seam in seams):
            return overlap
    return None


def complete_tiles(
    draft: Manifest, inspection: Inspection, adapter: Adapter, reading: Reading, how: Preprocessing
) -> Manifest:
    """Add to a draft how far tiles overlap, or that a picture must not be cut. Raises InvalidArgument(BAD_NETWORK)."""
    assert draft.picture is not None
    file, stride, long_side = inspection.network.file, draft.input.stride, draft.input.long_side or 0
    try:
        overlap = find_overlap(inspection.original, adapter, reading, how, stride)
    except Disproof as disproof:
        raise bad_network(file, f"ONNX Runtime cannot run it on tiles: {disproof}") from None
    if overlap is None and reading.trim:
        raise bad_network(file, f"it leaves out {reading.trim} pixels on each side, but depends on more around a pixel")
    if overlap is not None and long_side < 2 * overlap + stride:
        told = f"its answer depends on {overlap} pixels around each"
        raise InvalidArgument("BAD_ARGUMENT", f"--input-size {long_side} leaves no room between tiles: {told}")
    facts = {"overlap": overlap or 0, "whole": overlap is None}
    return draft.model_copy(update={"picture": draft.picture.model_copy(update=facts)})


def tell_tiles(draft: Manifest) -> tuple[str, ...]:
    """Note how pictures are cut, for a network that makes pictures."""
    if draft.picture is None:
        return ()
    sides = f"sides of its input are multiples of {draft.input.stride}"
    if draft.picture.whole:
        most = draft.input.long_side
        return (f"its answer depends on the whole picture: none is cut, and sides above {most} are refused; {sides}",)
    return (f"tiles overlap by {draft.picture.overlap} pixels on every side; {sides}",)


def _candidates(stride: int, reading: Reading) -> Iterator[int]:
    if reading.trim:
        yield reading.trim  # the graph itself leaves out what is not certain
        return
    # Colours beside a luminance are enlarged by bicubic interpolation, which looks beyond the tile too.
    least = OVERLAPS[1] if reading.magnified > 1 else 0
    yield from dict.fromkeys(-(-overlap // stride) * stride for overlap in OVERLAPS if overlap >= least)


def _seam(run: Callable[[Pixels], Levels], picture: Pixels, whole: Levels, overlap: int, reading: Reading) -> float:
    """The largest difference between a tile's answer and that place of the whole picture's, in grey levels."""
    factor, start = reading.magnified, (SIDE - CORE) // 2
    tile = picture[start - overlap : start + CORE + overlap, start - overlap : start + CORE + overlap]
    cut = 0 if reading.trim else overlap * factor
    answer = run(np.ascontiguousarray(tile))
    core = answer[cut : cut + CORE * factor, cut : cut + CORE * factor]
    first = (start - reading.trim) * factor
    wanted = whole[first : first + CORE * factor, first : first + CORE * factor]
    return float(np.abs(core - wanted).max()) if core.shape == wanted.shape else float("inf")


def _photograph() -> Pixels:
    spec = InputSpec(resize="tiles", long_side=SIDE)
    return trials(SIDE, SIDE, spec)[1].image_rgb
