"""The pictures of answers are read alike with Pillow and without it; OpenCV writes them here, as the services do."""

import sys

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from convoy.client.answers.decoding import read_picture
from convoy.core.errors import FailedPrecondition


@pytest.fixture(params=["Pillow", "pypng"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "pypng":
        monkeypatch.setitem(sys.modules, "PIL", None)
    return str(request.param)


def written(image: npt.NDArray[np.uint8], extension: str = ".png") -> bytes:
    return bytes(cv2.imencode(extension, image)[1])


def test_a_mask_keeps_every_index(reader: str) -> None:
    mask = np.arange(256, dtype=np.uint8).reshape(8, 32).repeat(3, axis=0)
    assert np.array_equal(read_picture(written(mask)), mask)


def test_a_crop_comes_as_rgb(reader: str) -> None:
    crop_rgb = np.random.default_rng(0).integers(0, 256, (112, 96, 3), dtype=np.uint8)
    assert np.array_equal(read_picture(written(crop_rgb[:, :, ::-1].copy())), crop_rgb)


def test_a_jpeg_needs_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(np.full((8, 8, 3), 90, np.uint8), ".jpg")
    assert read_picture(data).shape == (8, 8, 3)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(FailedPrecondition, match="no PNG, and Pillow") as caught:
        read_picture(data)
    assert caught.value.reason == "NOT_INSTALLED"
