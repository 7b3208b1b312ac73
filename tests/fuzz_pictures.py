"""Decodes damaged files and tells what became of them: python -m tests.fuzz_pictures FORMAT COUNT [SEED].

FORMAT is a name of tests.picture_files.FORMATS or of ODD, or `all`.

Ends with 1 if anything but a picture or a refusal comes out, and with a signal's code if a decoder crashes. The last
line gives the slowest file in seconds of this process, and how many MiB the memory grew after the first tenth.
"""

import io
import resource
import sys
import time
from collections import Counter

import numpy as np
import tifffile
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Limits, decode_image, pixels_to_decode

from tests.picture_files import FORMATS, damaged, scene, write

ODD: dict[str, dict[str, object]] = {
    "float TIFF": {"photometric": "rgb", "compression": "zlib", "byteorder": ">"},
    "BigTIFF": {"photometric": "rgb", "bigtiff": True, "byteorder": ">", "rowsperstrip": 8},
}
"""Files that tifffile writes and Pillow alone would not read."""
LIMITS = Limits(max_pixels=4_000_000)


def try_one(data: bytes) -> str:
    """Decode a file: what it is refused for, or `read`."""
    pixels_to_decode(data)
    try:
        picture = decode_image(data, LIMITS)
    except InvalidArgument as error:
        return error.reason if error.message else "refused without a sentence"
    assert picture.image_rgb.shape == (picture.height, picture.width, 3)
    return "read"


def _write(name: str) -> bytes:
    if name not in ODD:
        return write(name)
    buffer, pixels = io.BytesIO(), scene()
    tifffile.imwrite(buffer, pixels / np.float32(255) if name == "float TIFF" else pixels, **ODD[name])
    return buffer.getvalue()


def main(name: str, count: int, seed: int) -> None:
    """Try `count` files."""
    whole, outcomes, slowest, settled = _write(name), Counter[str](), (0.0, 0), 0
    for number in range(count):
        data = damaged(whole, seed + number)
        started = time.process_time()
        try:
            outcomes[try_one(data)] += 1
        except Exception:
            print(f"{name}: file of seed {seed + number}", flush=True)
            raise
        slowest = max(slowest, (time.process_time() - started, seed + number))
        assert "refused without a sentence" not in outcomes
        if number == count // 10:
            settled = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - settled) // 1024
    print(f"{name}: {count} files, {dict(outcomes)}, slowest {slowest[0]:.3f} s (seed {slowest[1]}), grew {grown} MiB")


if __name__ == "__main__":
    for each in (*FORMATS, *ODD) if sys.argv[1] == "all" else [sys.argv[1]]:
        main(each, int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
