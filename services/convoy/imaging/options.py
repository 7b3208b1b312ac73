"""What a call asks of a model, checked against what the model can do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Border, Colour, Manifest, Mapping0To255

Mask = npt.NDArray[np.uint8]
MASKED_FROM = 128
"""Pixels of a mask from this brightness on are to be filled."""


@dataclass(frozen=True)
class Options:
    """What a caller asks for; None and nothing mean what the model's manifest says.

    styles: weights of the model's styles, by name; they are divided by their sum.
    """

    colour: Colour | None = None
    border: Border | None = None
    mapping: Mapping0To255 | None = None
    noise_level: float | None = None
    styles: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Chosen:
    """How a picture is transformed, with nothing left open. fills: the graph's further channels, None for the mask."""

    colour: Colour
    border: Border
    mapping: Mapping0To255
    fills: tuple[int | None, ...]

    @property
    def is_grey(self) -> bool:
        """Whether the answer has no colours."""
        return self.colour == "luminance" and self.mapping != "as_is"


def choose(options: Options, manifest: Manifest, planes: int = 3) -> Chosen:
    """Fill in the manifest's choices. planes: how many channels the graph's answer has, 1 or 3.

    Raises InvalidArgument: BAD_ARGUMENT, NO_SUCH_STYLE.
    """
    spec = manifest.picture
    assert spec is not None  # the manifest proves it
    colour = options.colour or spec.colour
    if colour != spec.colour and (spec.colour == "rgb" or colour == "rgb"):
        told = "changes red, green and blue together" if spec.colour == "rgb" else "does not"
        raise InvalidArgument("BAD_ARGUMENT", f"colour {colour}: the model {manifest.name} {told}")
    if colour == "channels" and planes != 3:
        raise InvalidArgument("BAD_ARGUMENT", f"colour channels: the model {manifest.name} changes the luminance alone")
    level = _noise_level(options.noise_level, manifest)
    extra = [None if name == "mask" else round(level) for name in spec.inputs]
    fills = (*extra, *_style_weights(options.styles, manifest))
    return Chosen(colour, options.border or spec.border, options.mapping or spec.mapping, fills)


def check_mask(mask: Mask | None, manifest: Manifest, height: int, width: int) -> None:
    """Raise InvalidArgument(BAD_MASK) if a mask [H, W] is missing, of another size, or nothing that the model takes."""
    spec = manifest.picture
    assert spec is not None
    if (mask is not None) != ("mask" in spec.inputs):
        told = "takes no mask" if mask is not None else "needs a mask for each picture"
        raise InvalidArgument("BAD_MASK", f"the model {manifest.name} {told}")
    if mask is not None and mask.shape != (height, width):
        facts = {"mask": f"{mask.shape[1]} x {mask.shape[0]}", "picture": f"{width} x {height}"}
        message = f"the mask has {facts['mask']} pixels, the picture {facts['picture']}; they must be equal"
        raise InvalidArgument("BAD_MASK", message, facts)


def check_whole(manifest: Manifest, height: int, width: int) -> None:
    """Raise InvalidArgument(TOO_MANY_PIXELS) if the model takes pictures whole, and one of this size is too large."""
    spec, stride = manifest.picture, manifest.input.stride
    assert spec is not None and manifest.input.long_side is not None
    most = (manifest.input.long_side - 2 * spec.overlap) // stride * stride
    if spec.whole and max(height, width) > most:
        told = f"each pixel of its answer depends on the whole picture, and it takes at most {most:,} a side"
        message = f"the picture has {width:,} x {height:,} pixels; the model {manifest.name} cannot be tiled: {told}"
        raise InvalidArgument("TOO_MANY_PIXELS", message, {"width": width, "height": height, "max_side": most})


def _noise_level(asked: float | None, manifest: Manifest) -> float:
    spec = manifest.picture
    assert spec is not None
    if spec.noise_level is None or spec.max_noise_level is None:
        if asked is not None:
            raise InvalidArgument("BAD_ARGUMENT", f"noise_level: the model {manifest.name} takes none")
        return 0.0
    level = spec.noise_level if asked is None else asked
    if not 0.0 <= level <= spec.max_noise_level:
        message = f"noise_level is {level:g}; it must lie between 0 and {spec.max_noise_level:g} for {manifest.name}"
        raise InvalidArgument("BAD_ARGUMENT", message)
    return level


def _style_weights(asked: Mapping[str, float], manifest: Manifest) -> list[int]:
    """The weight of each style, 0 to 255; the first style alone if the caller names none."""
    for name, weight in asked.items():
        if name not in manifest.labels:
            known = f"it has {', '.join(manifest.labels)}" if manifest.labels else "it has no styles"
            raise InvalidArgument("NO_SUCH_STYLE", f"the model {manifest.name} has no style '{name}'; {known}")
        if not (math.isfinite(weight) and weight >= 0):
            raise InvalidArgument("BAD_ARGUMENT", f"the weight of style '{name}' is {weight:g}; it must be 0 or more")
    total = sum(asked.values())
    if asked and (total <= 0 or not math.isfinite(total)):
        raise InvalidArgument("BAD_ARGUMENT", "the weights of the styles must have a sum above 0")
    weights = [asked.get(name, 0.0) / total for name in manifest.labels] if asked else [1.0, *[0.0] * 15]
    return [round(255 * weight) for weight in weights[: len(manifest.labels)]]
