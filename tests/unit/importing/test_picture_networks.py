"""Foreign networks that make pictures: served as the file itself answers, in tiles without seams, or refused."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Manifest, Task
from convoy.core.models.engine import Engine
from convoy.core.models.loaded_model import verify_model
from convoy.imaging.task import luminance, transform
from convoy.importing.inspection import inspect
from convoy.importing.model_import import Imported, import_model
from convoy.importing.request import Request

from tests import foreign_pictures as networks

BORDER = 16
"""What lies around a picture is the service's (its mirror image) and not the file's (zeros)."""


def bring(file: Path, **said: Any) -> Imported:
    request = Request(network=file, task=Task.PICTURE_TO_PICTURE, licence="MIT", models=file.parent / "models", **said)
    return import_model(inspect(request))


def photograph(height: int, width: int) -> np.ndarray:
    small = np.random.default_rng(4).integers(0, 256, (height // 9, width // 9, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def served(imported: Imported, picture: np.ndarray) -> tuple[np.ndarray, Manifest]:
    manifest = verify_model(imported.folder)
    return transform(Engine(imported.folder / GRAPH_FILE, "cpu").run, picture, manifest), manifest


def answered(file: Path, pixels: np.ndarray) -> np.ndarray:
    """What the file itself says of float pixels [h, w, channels]: [h, w, channels]."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (planes,) = session.run(None, {"input.1": pixels.astype(np.float32).transpose(2, 0, 1)[None]})
    return np.asarray(planes[0].transpose(1, 2, 0))


def to_bytes(levels: np.ndarray) -> np.ndarray:
    return np.rint(levels).clip(0, 255)


def differ(one: np.ndarray, other: np.ndarray, border: int = BORDER) -> float:
    inner = np.s_[border:-border, border:-border]
    return float(np.abs(one.astype(float)[inner] - other[inner]).max())


def test_a_denoiser_answers_as_its_file_in_tiles(tmp_path: Path) -> None:
    file, picture = networks.save(networks.denoiser(), tmp_path), photograph(150, 203)
    imported = bring(file, input_size=64)
    answer, manifest = served(imported, picture)
    assert manifest.picture is not None and manifest.input.long_side == 64
    assert (manifest.picture.scale, manifest.picture.colour, manifest.picture.overlap) == (1, "rgb", 4)
    assert differ(answer, to_bytes(255 * answered(file, picture / 255))) <= 1
    assert {one.name for one in imported.differences} == {"pictures"}
    assert any("zero-one" in note for note in imported.notes)
    assert "tiles overlap by 4 pixels on every side; sides of its input are multiples of 1" in imported.notes


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_super_resolution_of_the_luminance_keeps_the_colours(tmp_path: Path, factor: int) -> None:
    file, picture = networks.save(networks.espcn(factor), tmp_path), photograph(70, 90)
    answer, manifest = served(bring(file, input_size=48), picture)
    assert manifest.picture is not None and manifest.picture.colour == "luminance"
    assert answer.shape == (70 * factor, 90 * factor, 3) and manifest.picture.scale == factor
    bright = 255 * answered(file, luminance(picture)[..., None] / 255)[..., 0]
    # Another luminance adds the same to all three: cut and rounded values apart, it is that of the answer.
    inside = ((answer > 0) & (answer < 255)).all(axis=2)
    inside[: BORDER * factor], inside[-BORDER * factor :] = False, False
    inside[:, : BORDER * factor], inside[:, -BORDER * factor :] = False, False
    assert inside.mean() > 0.1 and np.abs(luminance(answer).astype(float) - bright)[inside].max() <= 2


def test_an_old_export_of_a_fixed_size_is_freed_and_compared_with_its_file(tmp_path: Path) -> None:
    for channels in (1, 3):
        drawing = networks.espcn(3, "reshape", size=(40, 56), channels=channels, opset=11, batch="N")
        file, free = networks.save(drawing, tmp_path), networks.espcn(3, channels=channels)
        imported = bring(file, name=f"of-{channels}", input_size=64)
        picture = photograph(90, 81)
        answer, _ = served(imported, picture)
        pixels = picture if channels == 3 else luminance(picture)[..., None]
        wanted = to_bytes(255 * answered(networks.save(free, tmp_path, "free.onnx"), pixels / 255))
        found = answer if channels == 3 else luminance(answer)[..., None]
        kept = np.ones_like(found, bool) if channels == 3 else ((answer > 0) & (answer < 255)).all(2)[..., None]
        border = 3 * BORDER
        assert np.abs(found - wanted)[border:-border, border:-border][kept[border:-border, border:-border]].max() <= 2
        assert any("ignores the batch and the size" in note for note in imported.notes)


def test_a_network_without_padding_leaves_no_border_out(tmp_path: Path) -> None:
    file, picture = networks.save(networks.trimmed(), tmp_path), photograph(99, 120)
    answer, manifest = served(bring(file, input_size=48), picture)
    assert manifest.picture is not None and manifest.picture.trimmed and manifest.picture.overlap == 3
    around = np.pad(picture, ((3, 3), (3, 3), (0, 0)), mode="reflect")
    assert differ(answer, to_bytes(255 * answered(file, around / 255)), border=1) <= 1


def test_blue_first_and_other_numbers_are_undone_in_the_answer(tmp_path: Path) -> None:
    file, picture = networks.save(networks.denoiser(), tmp_path), photograph(80, 90)
    numbers = {"scale": 1 / 255, "mean": (0.5, 0.4, 0.3), "std": (0.5, 0.6, 0.7), "bgr": True}
    answer, _ = served(bring(file, **numbers), picture)
    mean, std = np.array(numbers["mean"]), np.array(numbers["std"])
    planes = answered(file, ((picture / 255 - mean) / std)[..., ::-1])[..., ::-1]
    assert differ(answer, to_bytes(255 * (planes * std + mean))) <= 1
    other, _ = served(bring(file, preprocess="zero-one", answer="raw", name="other"), picture)
    assert other.max() <= 2  # of 0 to 1, taken for grey levels


def test_a_style_that_looks_at_the_whole_picture_is_never_cut(tmp_path: Path) -> None:
    file, picture = networks.save(networks.fast_style(), tmp_path), photograph(100, 120)
    with pytest.raises(InvalidArgument, match="choose the one that it was trained with by --preprocess") as refused:
        bring(file, preprocess=None)
    assert "`raw`: grey levels" in refused.value.message
    answer, manifest = served(bring(file, preprocess="raw", input_size=128), picture)
    assert manifest.picture is not None and manifest.picture.whole and manifest.input.stride == 4
    assert (answer == to_bytes(answered(file, picture))).mean() > 0.999
    with pytest.raises(InvalidArgument, match="at most 128 a side") as refused:
        served(bring(file, preprocess="raw", input_size=128, name="again"), photograph(100, 132))
    assert refused.value.reason == "TOO_MANY_PIXELS"


@pytest.mark.parametrize(
    ("draw", "said", "reason", "words"),
    [
        (networks.fixed, {}, "BAD_NETWORK", "it takes only 64x64, but pictures come in any size"),
        (networks.coloured, {}, "BAD_NETWORK", "makes colours of the luminance alone"),
        (networks.denoiser, {"resize": "stretch"}, "BAD_ARGUMENT", "--resize: not for picture_to_picture"),
        (networks.denoiser, {"labels": ("a",)}, "BAD_ARGUMENT", "--labels: not for picture_to_picture"),
        (networks.denoiser, {"answer": "sepia"}, "BAD_ARGUMENT", "there is no preprocessing 'sepia'"),
        (networks.denoiser, {"input_size": 5000}, "BAD_ARGUMENT", "the longest side of a tile is 4096"),
        (networks.denoiser, {"input_size": 8}, "BAD_ARGUMENT", "leaves no room between tiles"),
        (lambda: networks.denoiser(channels=4), {"layout": "nchw"}, "BAD_NETWORK", "not one or three channels"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_reason(
    tmp_path: Path, draw: Any, said: dict[str, Any], reason: str, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words) as refused:
        bring(networks.save(draw(), tmp_path), **said)
    assert refused.value.reason == reason and not (tmp_path / "models").exists()
