"""Pixels to other pixels, without any RPC: the same code serves and evaluates."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Manifest
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Pixels
from convoy.imaging.options import MASKED_FROM, Chosen, Mask, Options, check_mask, check_whole, choose
from convoy.imaging.tiles import Tile, cut, look

Floats = npt.NDArray[np.float32]
Predict = Callable[[Pixels], Outputs]
AS_THE_MANIFEST_SAYS = Options()


class Transformation:
    """One picture on its way through a graph, tile by tile. The tiles may come in any order, from several threads.

    picture: uint8 RGB [H, W, 3]. answer: uint8 [H x scale, W x scale, 3], or without the last axis if it is grey.
    size: width and height of the picture.
    Raises InvalidArgument: BAD_MASK; TOO_MANY_PIXELS if the model takes pictures whole and this one is too large.
    """

    def __init__(self, picture: Pixels, manifest: Manifest, chosen: Chosen, mask: Mask | None = None) -> None:
        assert manifest.picture is not None and manifest.input.long_side is not None  # the manifest proves it
        self._spec, self._chosen = manifest.picture, chosen
        height, width = picture.shape[:2]
        check_mask(mask, manifest, height, width)
        check_whole(manifest, height, width)
        self._picture = picture
        self._mask = None if mask is None else np.where(mask >= MASKED_FROM, 255, 0).astype(np.uint8)
        self._by_luminance = chosen.colour == "luminance"
        self.is_grey = chosen.is_grey
        scale = self._spec.scale
        self.answer = np.empty((height * scale, width * scale, *(() if self.is_grey else (3,))), np.uint8)
        self.size = width, height
        self.tiles = list(cut(height, width, manifest.input.long_side, self._spec.overlap, manifest.input.stride))

    def look(self, tile: Tile) -> Pixels:
        """Return the graph's input for a tile: uint8 [h, w, channels]."""
        seen = look(self._picture, tile, self._chosen.border)
        if self._by_luminance:
            seen = np.repeat(luminance(seen)[..., None], 3, axis=2)
        if not self._chosen.fills:
            return np.ascontiguousarray(seen)
        return np.dstack([seen, *(self._fill(tile, fill, seen.shape) for fill in self._chosen.fills)])

    def put(self, tile: Tile, outputs: Outputs) -> None:
        """Write the graph's answer for a tile into its place. outputs: one row, pictures [h, w, 1 or 3]."""
        scale, pictures = self._spec.scale, np.asarray(outputs["pictures"], np.float32)
        cut_off = 0 if self._spec.trimmed else tile.overlap * scale
        core = pictures[cut_off : cut_off + tile.height * scale, cut_off : cut_off + tile.width * scale]
        if self._by_luminance:
            core = core[..., 0] if self.is_grey else self._recolour(tile, core[..., :1])
        pixels = to_pixels(core, self._chosen.mapping)
        rows = slice(tile.top * scale, (tile.top + tile.height) * scale)
        columns = slice(tile.left * scale, (tile.left + tile.width) * scale)
        if self._mask is not None and scale == 1 and not self.is_grey:
            kept = self._mask[rows, columns, None] == 0
            pixels = np.where(kept, self._picture[rows, columns], pixels)
        self.answer[rows, columns] = pixels

    def release(self) -> None:
        """Forget the picture, so that its memory is free while the answer is encoded."""
        self._picture = np.empty((0, 0, 3), np.uint8)  # a slice would keep it all
        self._mask = None

    def _fill(self, tile: Tile, fill: int | None, shape: tuple[int, ...]) -> Mask:
        if fill is not None:
            return np.full(shape[:2], fill, np.uint8)
        assert self._mask is not None  # checked when it was given
        return look(self._mask, tile, self._chosen.border)

    def _recolour(self, tile: Tile, bright: Floats) -> Floats:
        """Give new brightness [h, w, 1] the colours of the picture, enlarged by bicubic interpolation.

        In Y'CbCr, another luminance adds the same to red, green and blue.
        """
        scale = self._spec.scale
        seen = look(self._picture, tile, "reflect")
        grey = luminance(seen)
        if scale > 1:
            size = (seen.shape[1] * scale, seen.shape[0] * scale)
            coloured = cv2.resize(seen.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
            plain = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
        else:
            coloured, plain = seen.astype(np.float32), grey.astype(np.float32)
        start = tile.overlap * scale
        rows, columns = slice(start, start + bright.shape[0]), slice(start, start + bright.shape[1])
        recoloured: Floats = coloured[rows, columns] + (bright - plain[rows, columns, None])
        return recoloured


def luminance(picture: Pixels) -> npt.NDArray[np.uint8]:
    """Return the brightness [H, W] of RGB [H, W, 3]: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)


def to_pixels(values: Floats, mapping: str) -> npt.NDArray[np.uint8]:
    """Map a graph's numbers to 0..255: as they are, without their sign, or with 128 added; then round and cut."""
    if mapping == "absolute":
        values = np.abs(values)
    elif mapping == "centred":
        values = values + np.float32(128)
    # NaN, which only a broken graph gives, becomes 0.
    return np.rint(np.nan_to_num(values, nan=0.0)).clip(0, 255).astype(np.uint8)


def transform(
    predict: Predict,
    picture: Pixels,
    manifest: Manifest,
    options: Options = AS_THE_MANIFEST_SAYS,
    mask: Mask | None = None,
) -> npt.NDArray[np.uint8]:
    """Transform one picture [H, W, 3]. predict: graph inputs [1, h, w, channels] -> its outputs.

    Raises InvalidArgument: BAD_ARGUMENT, BAD_MASK, NO_SUCH_STYLE, TOO_MANY_PIXELS.
    """
    work = Transformation(picture, manifest, choose(options, manifest), mask)
    for tile in work.tiles:
        outputs = predict(work.look(tile)[None])
        work.put(tile, {name: values[0] for name, values in outputs.items()})
    return work.answer
