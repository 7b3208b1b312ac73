"""The same small picture as a file of each format that Convoy reads, and files of those formats with damage.

HEIC is written by pillow-heif, which only the tests need; the services read it by pi-heif.
"""

import io
import random
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT = 96, 64
FORMATS = ("JPEG", "progressive JPEG", "PNG", "WebP", "lossless WebP", "HEIC", "AVIF", "TIFF", "deflated TIFF", "GIF")
FORMATS += ("BMP", "JPEG 2000", "JPEG 2000 stream")
_SAVED: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {"quality": 95}),
    "progressive JPEG": ("JPEG", {"quality": 95, "progressive": True}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"quality": 95}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "AVIF": ("AVIF", {"quality": 95, "speed": 10}),
    "TIFF": ("TIFF", {}),
    "deflated TIFF": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "GIF": ("GIF", {}),
    "BMP": ("BMP", {}),
    "JPEG 2000": ("JPEG2000", {"irreversible": True, "quality_layers": [2]}),
    "JPEG 2000 stream": ("JPEG2000", {"no_jp2": True}),
}


def scene() -> npt.NDArray[np.uint8]:
    """Red on the left, blue on the right, a green bar at the top: every turn of it looks different."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2, 0] = 230
    pixels[:, WIDTH // 2 :, 2] = 230
    pixels[:16] = (0, 230, 0)
    return pixels


def write(name: str, image: Image.Image | None = None, **options: object) -> bytes:
    """Write a picture, by default the scene, as a file of a format."""
    image = image if image is not None else Image.fromarray(scene())
    buffer = io.BytesIO()
    if name == "HEIC":
        import pillow_heif

        pillow_heif.from_pillow(image).save(buffer, **{"quality": 90, **options})
    else:
        kind, usual = _SAVED[name]
        image.save(buffer, kind, **{**usual, **options})
    return buffer.getvalue()


def damaged(data: bytes, seed: int) -> bytes:
    """Change bytes, move parts, cut, repeat or overwrite lengths, by chance that the seed decides."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        if len(changed) < 16:
            break
        at, size = chance.randrange(len(changed)), chance.choice((1, 2, 4, 16, 64))
        # Headers are where lengths and counts stand.
        at = at if chance.random() < 0.5 else chance.randrange(min(len(changed), 400))
        match chance.randrange(7):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at : at + size] = chance.randbytes(size)
            case 2:
                number = chance.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, chance.randrange(2**32)))
                changed[at : at + 4] = struct.pack(chance.choice("<>") + "I", number)
            case 3:
                del changed[at : at + size]
            case 4:
                changed[at:at] = changed[at : at + size] * chance.choice((1, 2, 50))
            case 5:
                part, to = changed[at : at + size], chance.randrange(len(changed))
                del changed[at : at + size]
                changed[to:to] = part
            case 6:
                del changed[max(at, 16) :]
    return bytes(changed)
