"""Small files that claim to be large or are slow to decode. A service refuses each with INVALID_ARGUMENT."""

import io
import struct

from PIL import Image

from convoy.testing.pictures import encode, plain, portrait


def bombs() -> dict[str, bytes]:
    """Make the files: what is wrong with each -> its bytes."""
    return {
        "png-header": png_that_says(60_000, 60_000),
        "png-of-zeros": png_of_zeros(20_000),
        "jpeg-header": jpeg_that_says(60_000, 60_000),
        "jpeg-scans": jpeg_of_scans(3_000),
        "webp-canvas": webp_that_says(16_382),
        "gif-screen": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\xf7\0\0" + bytes(768) + b";",
        "nothing": b"",
        "text": b"this is no picture",
    }


def png_that_says(width: int, height: int) -> bytes:
    """Make a small PNG whose header claims another size."""
    png = encode(plain())
    return png[:16] + struct.pack(">II", width, height) + png[24:]


def png_of_zeros(side: int) -> bytes:
    """Make a black square, which has a few KiB as a file and `side`² pixels in memory."""
    drawn = io.BytesIO()
    Image.new("1", (side, side)).save(drawn, "PNG")
    return drawn.getvalue()


def jpeg_that_says(width: int, height: int) -> bytes:
    """Make a small JPEG whose header claims another size."""
    jpeg = bytearray(encode(portrait(1), ".jpg"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(jpeg)


def jpeg_of_scans(count: int) -> bytes:
    """Make a progressive JPEG that repeats its last scan: each scan costs the decoder a pass over the whole picture."""
    drawn = io.BytesIO()
    Image.new("RGB", (64, 64)).save(drawn, "JPEG", progressive=True)
    scans = drawn.getvalue()
    last = scans.rindex(b"\xff\xda")
    return scans[:-2] + scans[last:-2] * count + scans[-2:]


def webp_that_says(side: int) -> bytes:
    """Make a WebP that is only a header with a large canvas."""
    canvas = struct.pack("<I", side)[:3] * 2
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + canvas
