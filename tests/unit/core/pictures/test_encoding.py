"""How large an encoded picture can become is known before it is there."""

from typing import get_args

import numpy as np
import pytest
from convoy.core.pictures.encoding import FileFormat, encode_picture, most_bytes

RANDOM = np.random.default_rng(5)
SIDES = (97, 640)


def hard_pictures(side: int, channels: int) -> dict[str, np.ndarray]:
    """Pictures that compress badly, each in another way."""
    shape = (side, side) if channels == 1 else (side, side, 3)
    rows, columns = np.indices((side, side))
    board = np.where((rows + columns) % 2, 255, 0) if channels == 1 else np.dstack([255 * ((rows + columns) % 2)] * 3)
    normal = RANDOM.normal(128, 70, shape)
    return {
        "all values": RANDOM.integers(0, 256, shape),
        "black and white": 255 * RANDOM.integers(0, 2, shape),
        "three values": 127 * RANDOM.integers(0, 3, shape),
        "normal": normal.clip(0, 255),
        "board with noise": (board + RANDOM.integers(-60, 60, shape)).clip(0, 255),
        "blocks": np.kron(RANDOM.integers(0, 256, tuple(-(-n // 2) if n > 3 else n for n in shape)),
                          np.ones((2, 2) if channels == 1 else (2, 2, 1)))[:side, :side],
    }  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("file_format", get_args(FileFormat))
def test_no_picture_becomes_larger_than_foretold(file_format: FileFormat, channels: int) -> None:
    for side in SIDES:
        for name, picture in hard_pictures(side, channels).items():
            for quality in (1, 30, 60, 80, 95, 99, 100) if file_format != "PNG" else (95,):
                made = len(encode_picture(picture.astype(np.uint8), file_format, quality))
                foretold = most_bytes(side**2, channels, file_format, quality)
                assert made <= foretold, (name, quality)


def test_what_is_foretold_is_no_empty_promise() -> None:
    noise = RANDOM.integers(0, 256, (300, 300, 3)).astype(np.uint8)
    assert most_bytes(300**2, 3, "PNG") < 1.1 * len(encode_picture(noise, "PNG"))
    assert most_bytes(300**2, 3, "JPEG", 95) < 0.6 * 3 * 300**2
    assert most_bytes(300**2, 3, None) == 3 * 300**2
