"""From a file's own colours to sRGB, which models are trained on: ICC profiles and transparency.

An array of samples or a Pillow image goes through in strips, so that a large picture is never in memory several times.
"""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from convoy.core.pictures.light import Light
from convoy.core.pictures.stopping import check
from convoy.core.pictures.tones import Window, tones_of

Pixels = npt.NDArray[np.uint8]
"""RGB, uint8, [height, width, 3]."""

_STRIP_PX = 2**20
_MOST_PROFILE_BYTES = 4 * 2**20
_MOST_TRANSFORMS = 16
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "LAB"}
# Profiles of sRGB differ in the last digit of their numbers. Within so many steps of 255, pixels are left as they are.
_SAME = 3

_transforms: "OrderedDict[tuple[bytes, str], ImageCms.ImageCmsTransform | None]" = OrderedDict()
_lock = threading.Lock()


def convert_samples(samples: npt.NDArray[np.uint8], icc: bytes) -> Pixels:
    """Turn decoded JPEG samples [H, W, 1 grey, 3 RGB or 4 CMYK as Adobe writes it, inverted] into sRGB."""
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[samples.shape[2]]
    transform = _transform(icc, mode) or (_transform(icc, "RGB") if mode == "L" else None)
    if mode == "RGB" and transform is None:
        return samples

    def strip(top: int, bottom: int) -> Image.Image:
        part = samples[top:bottom]
        if mode == "L":
            return Image.fromarray(part[:, :, 0])
        return Image.fromarray(255 - part, "CMYK") if mode == "CMYK" else Image.fromarray(part)

    return _in_strips(strip, samples.shape[1], samples.shape[0], lambda image: _coloured(image, icc))


def convert_image(
    image: Image.Image,
    icc: bytes,
    *,
    light: Light | None = None,
    bits: int = 0,
    zero_is_white: bool = False,
    window: Window | None = None,
) -> Pixels:
    """Turn a loaded Pillow image of any mode into sRGB; transparency is laid on white.

    light: the colours of a file without a profile. bits, zero_is_white: of deep grey, whose mode does not say so.
    window: the values of deep grey to show; other pictures have none.
    """
    width, height = image.size
    tones = tones_of(image, bits, zero_is_white, window)

    def flatten(part: Image.Image) -> Image.Image:
        return _flatten(tones.shallow(part) if tones else part, icc, light)

    return _in_strips(lambda top, bottom: image.crop((0, top, width, bottom)), width, height, flatten)


def _in_strips(
    strip: Callable[[int, int], Image.Image], width: int, height: int, convert: Callable[[Image.Image], Image.Image]
) -> Pixels:
    rows = max(1, _STRIP_PX // width)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        check()
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(convert(strip(top, bottom)))
    return pixels


def _flatten(image: Image.Image, icc: bytes, light: Light | None) -> Image.Image:
    if image.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in image.info:
        return _coloured(image, icc, light)
    # Grey stays grey, so that its profile fits.
    image = image.convert("LA" if image.mode in ("LA", "La", "L", "1") else "RGBA")
    alpha = image.getchannel("A")
    opaque = image.getchannel("L") if image.mode == "LA" else image.convert("RGB")
    shown = _coloured(opaque, icc, light).convert("RGB")
    if alpha.getextrema() == (255, 255):
        return shown
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(shown, mask=alpha)
    return white


def _coloured(image: Image.Image, icc: bytes, light: Light | None = None) -> Image.Image:
    if image.mode not in _SPACES:
        image = image.convert("RGB")
    transform = _transform(icc, image.mode)
    if transform is None and image.mode != "RGB":
        # Grey pictures often carry the profile of a colour one.
        image = image.convert("RGB")
        transform = _transform(icc, "RGB")
    if transform is None:
        return image if light is None or icc else Image.fromarray(light.shown(np.asarray(image)))
    return ImageCms.applyTransform(image, transform) or image


def _transform(icc: bytes, mode: str) -> "ImageCms.ImageCmsTransform | None":
    """The way from a profile to sRGB; None without a profile, for one that makes no sense, and for sRGB itself."""
    if not icc and mode != "LAB":
        return None
    if len(icc) > _MOST_PROFILE_BYTES:
        return None
    key = (hashlib.sha256(icc).digest(), mode)
    with _lock:
        if key in _transforms:
            _transforms.move_to_end(key)
            return _transforms[key]
    made = _build(icc, mode)
    with _lock:
        _transforms[key] = made
        while len(_transforms) > _MOST_TRANSFORMS:
            _transforms.popitem(last=False)
    return made


def _build(icc: bytes, mode: str) -> "ImageCms.ImageCmsTransform | None":
    try:
        if mode == "LAB":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space.strip() != {"LAB": "Lab"}.get(mode, _SPACES[mode]):
            return None
        srgb = ImageCms.createProfile("sRGB")
        made = ImageCms.buildTransform(profile, srgb, mode, "RGB", ImageCms.Intent.PERCEPTUAL)
        return made if mode != "RGB" or _changes_colours(made) else None
    except Exception:  # littlecms raises whatever a hostile profile makes it raise; browsers ignore such a profile.
        return None


def _changes_colours(transform: "ImageCms.ImageCmsTransform") -> bool:
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    after = ImageCms.applyTransform(Image.fromarray(colours), transform)
    return after is not None and bool(np.abs(np.asarray(after).astype(int) - colours).max() > _SAME)
