"""Logits of masks to pixels of the picture: both forms, in letterboxes, and how much is made."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import InputSpec, Manifest, Task, Thresholds
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import place
from convoy.detection import masks
from convoy.detection.task import Options, interpret

ASKED = Options(masks=True)


@pytest.fixture
def manifest(manifest_of: Callable[..., Manifest]) -> Callable[..., Manifest]:
    def make(form: str, **spec: object) -> Manifest:
        facts = {"height": 100, "width": 100, "resize": "letterbox"} | spec
        shape = InputSpec.model_validate(facts)
        return manifest_of(Task.DETECTION, ["cell"], Thresholds(detection=0.4), masks={"form": form}, input=shape)

    return make


def disc(height: int, width: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    """How far the middle of each pixel lies inside a disc, in pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    return (radius - np.hypot(x - centre[0], y - centre[1])).astype(np.float32)


@pytest.mark.parametrize("pad_at", ["end", "both"])
@pytest.mark.parametrize("stride", [1, 4])
def test_prototypes_are_weighed_and_go_back_through_the_letterbox(
    manifest: Callable[..., Manifest], pad_at: str, stride: int
) -> None:
    model = manifest("prototypes", pad_at=pad_at)
    picture = Picture(np.zeros((150, 200, 3), np.uint8), 800, 600)  # decoded at a quarter of its size
    _, placement = place(picture.image_rgb, model.input)
    # The disc in the picture has its centre at (300, 200) and radius 160: in the input, an eighth of that.
    x, y = 300 / 8 + placement.x, 200 / 8 + placement.y
    field = disc(100 // stride, 100 // stride, (x / stride, y / stride), 20 / stride)
    outputs = {
        "boxes": np.array([[x - 20, y - 20, x + 20, y + 20]], np.float32),
        "scores": np.array([[0.9]], np.float32),
        "prototypes": np.stack([field * 0.25, np.ones_like(field)]),
        "coefficients": np.array([[4.0, 0.0]], np.float32),
    }
    (found,) = interpret(outputs, placement, picture, model, ASKED)
    assert found.mask is not None
    pixels, wanted = found.mask.pixels(), disc(600, 800, (300, 200), 160) > 0
    assert pixels.shape == (600, 800)
    assert (pixels & wanted).sum() / (pixels | wanted).sum() > 0.985
    outputs["coefficients"] = np.array([[4.0, -100.0]], np.float32)
    (found,) = interpret(outputs, placement, picture, model, ASKED)
    assert found.mask is not None
    assert found.mask.area == 0


def test_a_mask_over_its_box_is_stretched_over_it_and_cut_at_the_picture(manifest: Callable[..., Manifest]) -> None:
    model = manifest("boxes")
    picture = Picture(np.zeros((100, 100, 3), np.uint8), 100, 100)
    _, placement = place(picture.image_rgb, model.input)
    field = disc(28, 28, (14, 14), 12)
    outputs = {
        "boxes": np.array([[-14, 30, 42, 86], [10, 10, 10.2, 10.2]], np.float32),
        "scores": np.array([[0.9], [0.8]], np.float32),
        "masks": np.stack([field, field]),
    }
    first, tiny = interpret(outputs, placement, picture, model, ASKED)
    assert first.mask is not None and tiny.mask is not None
    wanted = disc(100, 100, (14, 58), 24) > 0
    assert (first.mask.pixels() != wanted).mean() < 0.003
    assert tiny.mask.area == 0  # no pixel has its middle in the box


def test_pixels_outside_the_box_do_not_belong_to_the_mask(manifest: Callable[..., Manifest]) -> None:
    model = manifest("prototypes")
    picture = Picture(np.zeros((100, 100, 3), np.uint8), 100, 100)
    _, placement = place(picture.image_rgb, model.input)
    outputs = {
        "boxes": np.array([[10.4, 20.6, 30.5, 40]], np.float32),
        "scores": np.array([[0.9]], np.float32),
        "prototypes": np.ones((1, 25, 25), np.float32),
        "coefficients": np.array([[1.0]], np.float32),
    }
    (found,) = interpret(outputs, placement, picture, model, ASKED)
    assert found.mask is not None
    assert found.mask.bounds() == (10, 21, 30, 40)


def test_a_mask_is_the_same_in_bands(manifest: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    model = manifest("prototypes")
    picture = Picture(np.zeros((100, 100, 3), np.uint8), 100, 100)
    _, placement = place(picture.image_rgb, model.input)
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(25, 25)), (0, 0), 2).astype(np.float32)
    outputs = {
        "boxes": np.array([[3, 5, 90, 97]], np.float32),
        "scores": np.array([[0.9]], np.float32),
        "prototypes": noise[None],
        "coefficients": np.array([[1.0]], np.float32),
    }
    texts = set()
    for band in (2**20, 300, 1):
        monkeypatch.setattr(masks, "_BAND", band)
        (found,) = interpret(outputs, placement, picture, model, ASKED)
        assert found.mask is not None
        texts.add(found.mask.text())
    assert len(texts) == 1


def test_more_masks_than_can_be_made_are_refused_with_the_numbers(
    manifest: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masks, "MOST_PIXELS", 10_000)
    model = manifest("prototypes")
    picture = Picture(np.zeros((100, 100, 3), np.uint8), 100, 100)
    _, placement = place(picture.image_rgb, model.input)
    outputs = {
        "boxes": np.array([[0, 0, 100, 90], [90, 0, 100, 100.5]], np.float32),
        "scores": np.array([[0.9], [0.9]], np.float32),
        "prototypes": np.ones((1, 25, 25), np.float32),
        "coefficients": np.ones((2, 1), np.float32),
    }
    assert len(interpret(outputs, placement, picture, model, ASKED)) == 2
    outputs["boxes"][1] = [80, 0, 100, 100]
    with pytest.raises(InvalidArgument) as raised:
        interpret(outputs, placement, picture, model, ASKED)
    assert raised.value.reason == "ANSWER_TOO_LARGE"
    assert raised.value.metadata["pixels"] == "11000"
