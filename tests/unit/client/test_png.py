"""The PNG files of answers are read alike with Pillow and without it; OpenCV writes them here, as the services do."""

import sys

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from convoy.client.answers.png import read_png


@pytest.fixture(params=["Pillow", "pypng"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "pypng":
        monkeypatch.setitem(sys.modules, "PIL", None)
    return str(request.param)


def written(image: npt.NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def test_a_mask_keeps_every_index(reader: str) -> None:
    mask = np.arange(256, dtype=np.uint8).reshape(8, 32).repeat(3, axis=0)
    assert np.array_equal(read_png(written(mask), 1), mask)


def test_a_crop_comes_as_rgb(reader: str) -> None:
    crop_rgb = np.random.default_rng(0).integers(0, 256, (112, 96, 3), dtype=np.uint8)
    assert np.array_equal(read_png(written(crop_rgb[:, :, ::-1].copy()), 3), crop_rgb)
