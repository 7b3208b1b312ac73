"""A picture goes through a graph in tiles and comes back whole, in the colours, border and range that you asked for."""

import weakref
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.ndimage
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import InputSpec, Manifest, PictureSpec, Task
from convoy.imaging.options import Options, choose
from convoy.imaging.task import Transformation, luminance, to_pixels, transform
from convoy.imaging.tiles import cut, look

Make = Callable[..., Manifest]
EDGES = np.array([[1, 0, -1]] * 3, np.float32)
BLUR = np.full((5, 5), 1 / 25, np.float32)


@pytest.fixture
def make(manifest_of: Callable[..., Manifest]) -> Make:
    def of(long_side: int = 32, stride: int = 1, labels: tuple[str, ...] = (), **spec: Any) -> Manifest:
        return manifest_of(
            Task.PICTURE_TO_PICTURE,
            list(labels),
            input=InputSpec(long_side=long_side, stride=stride, resize="tiles"),
            picture=PictureSpec(**spec),
        )

    return of


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def whole(kernel: np.ndarray) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A graph that pads with zeros and answers in its input's size, as most networks do."""

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        planes = [
            cv2.filter2D(i[..., :3].astype(np.float32), -1, kernel, borderType=cv2.BORDER_CONSTANT) for i in images
        ]
        return {"pictures": np.stack(planes)}

    return predict


def trimmed(kernel: np.ndarray) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A graph without a border of its own."""
    cut_off = len(kernel) // 2
    return lambda images: {"pictures": whole(kernel)(images)["pictures"][:, cut_off:-cut_off, cut_off:-cut_off]}


def same(images: np.ndarray) -> dict[str, np.ndarray]:
    return {"pictures": images[..., :3].astype(np.float32)}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 200), (97, 129), (64, 64)])
@pytest.mark.parametrize(("stride", "overlap"), [(1, 0), (1, 3), (2, 4), (4, 8)])
def test_tiles_of_any_picture_fit_together(make: Make, height: int, width: int, stride: int, overlap: int) -> None:
    picture = noise(height, width)
    assert (transform(same, picture, make(stride=stride, overlap=overlap)) == picture).all()
    seen = np.zeros((height, width), int)
    for tile in cut(height, width, 32, overlap, stride):
        seen[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
        inputs = look(picture, tile, "reflect")
        assert max(inputs.shape[:2]) <= 32 and not inputs.shape[0] % stride and not inputs.shape[1] % stride
    assert (seen == 1).all()


@pytest.mark.parametrize("border", ["reflect", "zero"])
@pytest.mark.parametrize("graph", [whole, trimmed])
def test_no_seam_is_where_tiles_meet(make: Make, graph: Any, border: Any) -> None:
    picture, mode = noise(90, 110), {"reflect": cv2.BORDER_REFLECT_101, "zero": cv2.BORDER_CONSTANT}[border]
    tiled = transform(graph(BLUR), picture, make(overlap=2, trimmed=graph is trimmed, border=border))
    truth = to_pixels(cv2.filter2D(picture.astype(np.float32), -1, BLUR, borderType=mode), "as_is")
    assert np.abs(tiled.astype(int) - truth).max() <= 1


def test_edges_of_the_luminance_are_grey_and_mapped_as_asked(make: Make) -> None:
    picture, manifest = noise(40, 50), make(overlap=1, trimmed=True, colour="luminance", mapping="absolute")
    truth = scipy.ndimage.correlate(luminance(picture).astype(float), EDGES, mode="mirror")
    for mapping, expected in (("absolute", np.abs(truth)), ("centred", truth + 128)):
        answer = transform(trimmed(EDGES), picture, manifest, Options(mapping=mapping))  # type: ignore[arg-type]
        assert answer.ndim == 2 and (answer == np.rint(expected).clip(0, 255)).all()
    channels = transform(trimmed(EDGES), picture, manifest, Options(colour="channels"))
    green = scipy.ndimage.correlate(picture[..., 1].astype(float), EDGES, mode="mirror")
    assert (channels[..., 1] == np.abs(green).clip(0, 255)).all()


def test_colours_stay_where_only_the_luminance_is_changed(make: Make) -> None:
    picture = noise(30, 30) // 4 + 96
    brighter = lambda images: {"pictures": images[..., :1].astype(np.float32) + 10}  # noqa: E731
    assert (transform(brighter, picture, make(colour="luminance")) == picture + 10).all()


@pytest.mark.parametrize("scale", [2, 4])
def test_enlarged_colours_have_no_seams_either(make: Make, scale: int) -> None:
    picture = cv2.GaussianBlur(noise(60, 70), (5, 5), 2)

    def enlarge(images: np.ndarray) -> dict[str, np.ndarray]:
        size = (images.shape[2] * scale, images.shape[1] * scale)
        return {
            "pictures": np.stack([cv2.resize(i[..., 0], size, interpolation=cv2.INTER_CUBIC) for i in images])[
                ..., None
            ]
        }

    spec: dict[str, Any] = {"scale": scale, "colour": "luminance", "overlap": 4}
    tiled, at_once = (transform(enlarge, picture, make(long_side=side, **spec)) for side in (24, 512))
    assert tiled.shape == (60 * scale, 70 * scale, 3)
    assert np.abs(tiled.astype(int) - at_once).max() <= 1
    smooth = cv2.resize(picture, (70 * scale, 60 * scale), interpolation=cv2.INTER_CUBIC)
    inner = np.s_[4 * scale : -4 * scale, 4 * scale : -4 * scale]
    assert np.abs(tiled.astype(int) - smooth)[inner].max() <= 2


def test_further_channels_carry_noise_level_mask_and_styles(make: Make) -> None:
    manifest = make(inputs=["noise_level", "mask"], noise_level=25, max_noise_level=50, labels=("a", "b"), overlap=2)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20, 30:] = 200
    seen: list[np.ndarray] = []

    def fill(images: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(images)
        return {"pictures": np.repeat(images[..., 4:5], 3, axis=3).astype(np.float32)}

    picture = noise(40, 40)
    answer = transform(fill, picture, manifest, Options(noise_level=12.6, styles={"b": 3, "a": 1}), mask)
    assert manifest.channels == 7 and all(images.shape[3] == 7 for images in seen)
    assert {int(images[..., 3].min()) for images in seen} == {13}
    assert [int(seen[0][..., place].max()) for place in (5, 6)] == [64, 191]
    assert (answer[10:20, 30:] == 255).all() and (answer[20:] == picture[20:]).all()  # only the hole is filled


@pytest.mark.parametrize(
    ("spec", "options", "reason"),
    [
        ({}, Options(colour="luminance"), "BAD_ARGUMENT"),
        ({}, Options(noise_level=3), "BAD_ARGUMENT"),
        ({}, Options(styles={"a": 1}), "NO_SUCH_STYLE"),
        ({"labels": ("a",)}, Options(styles={"b": 1}), "NO_SUCH_STYLE"),
        ({"labels": ("a",)}, Options(styles={"a": -1}), "BAD_ARGUMENT"),
        ({"labels": ("a",)}, Options(styles={"a": 0}), "BAD_ARGUMENT"),
        ({"labels": ("a",)}, Options(styles={"a": float("nan")}), "BAD_ARGUMENT"),
        ({"inputs": ["noise_level"], "noise_level": 5, "max_noise_level": 9}, Options(noise_level=9.1), "BAD_ARGUMENT"),
        (
            {"inputs": ["noise_level"], "noise_level": 5, "max_noise_level": 9},
            Options(noise_level=float("nan")),
            "BAD_ARGUMENT",
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused(make: Make, spec: dict[str, Any], options: Options, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        choose(options, make(**spec))
    assert refused.value.reason == reason


def test_a_graph_of_one_channel_takes_no_channels(make: Make) -> None:
    with pytest.raises(InvalidArgument, match="changes the luminance alone"):
        choose(Options(colour="channels"), make(colour="luminance"), planes=1)


@pytest.mark.parametrize(
    ("inputs", "mask", "words"),
    [
        (["mask"], None, "needs a mask"),
        ([], np.zeros((8, 8), np.uint8), "takes no mask"),
        (["mask"], np.zeros((8, 9), np.uint8), "9 x 8 pixels, the picture 8 x 8"),
    ],
)
def test_masks_that_do_not_fit_are_refused(make: Make, inputs: list[str], mask: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as refused:
        transform(same, noise(8, 8), make(inputs=inputs), mask=mask)
    assert refused.value.reason == "BAD_MASK"


def test_numbers_that_are_none_become_black() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 254.5]], np.float32)
    assert to_pixels(values, "as_is").tolist() == [[0, 255, 0, 254]]


def test_the_picture_s_memory_is_free_while_the_answer_is_encoded(make: Make) -> None:
    manifest, picture = make(), noise(8, 8)
    work = Transformation(picture, manifest, choose(Options(), manifest))
    kept = weakref.ref(picture)
    del picture
    assert kept() is not None
    work.release()
    assert kept() is None
