"""Kernels give what textbooks print and what scipy and OpenCV compute; files that are no kernels are refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.ndimage
from convoy.core.manifest import load_manifest
from convoy.core.models.loaded_model import verify_model
from convoy_training.cli import app
from convoy_training.errors import ExportError, RecipeError
from convoy_training.publishing.kernel_tables import KERNELS, Kernel
from convoy_training.publishing.kernels import publish_kernel, read_kernel, write_table
from convoy_training.session import open_onnx
from typer.testing import CliRunner

MODELS = Path("exported_models")
NG = [  # Andrew Ng, Deep Learning Specialization, course 4, week 1
    [3, 0, 1, 2, 7, 4],
    [1, 5, 8, 9, 3, 1],
    [2, 7, 2, 5, 1, 3],
    [0, 1, 3, 1, 7, 8],
    [4, 2, 1, 6, 2, 8],
    [2, 4, 5, 2, 3, 9],
]
STEP = [[10] * 3 + [0] * 3] * 6
PATCH = [  # the often drawn example of sharpening with zeros around
    [60, 113, 56, 139, 85],
    [73, 121, 54, 84, 128],
    [131, 99, 70, 129, 127],
    [80, 57, 115, 69, 134],
    [104, 126, 123, 95, 130],
]


def answer(name: str, picture: list[list[int]] | np.ndarray) -> np.ndarray:
    """What the published graph gives for a grey picture, float32 [H - k + 1, W - k + 1]."""
    images = np.repeat(np.array(picture, np.float32)[None, ..., None], 3, axis=3)
    pictures = open_onnx(MODELS / f"kernels-{name}" / "1" / "model.onnx", 1)(images)["pictures"][0]
    assert (pictures == pictures[..., :1]).all()
    return pictures[..., 0]


def test_vertical_edges_are_those_of_the_textbook() -> None:
    assert answer("edge-vertical", NG).tolist() == [
        [-5, -4, 0, 8],
        [-10, -2, 2, 3],
        [0, -2, -4, -7],
        [-3, -2, -3, -16],
    ]


def test_a_step_is_an_edge_whose_sign_says_which_side_is_bright() -> None:
    assert answer("edge-vertical", STEP).tolist() == [[0, 30, 30, 0]] * 4
    assert answer("edge-vertical", [row[::-1] for row in STEP]).tolist() == [[0, -30, -30, 0]] * 4
    assert answer("edge-horizontal", np.array(STEP).T).T.tolist() == [[0, 30, 30, 0]] * 4


def test_sharpening_with_zeros_around_is_that_of_the_textbook() -> None:
    sharp = answer("sharpen", np.pad(PATCH, 1))
    assert sharp[0, :3].tolist() == [114, 328, -26] and sharp.shape == (5, 5)


def test_smoothing_with_zeros_around_divides_by_all_nine() -> None:
    smooth = answer("box", np.pad(np.full((3, 3), 9), 1))
    assert smooth.tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_published_kernel_equals_scipy_and_opencv(kernel: Kernel) -> None:
    picture, cut = np.random.default_rng(7).integers(0, 256, (41, 53)), kernel.tables.shape[1] // 2
    inner = np.s_[cut:-cut, cut:-cut]
    by_scipy = [scipy.ndimage.correlate(picture.astype(float), table.astype(float))[inner] for table in kernel.tables]
    by_opencv = [cv2.filter2D(picture.astype(float), -1, table.astype(float))[inner] for table in kernel.tables]
    for found in (by_scipy, by_opencv):
        expected = (found[0] if len(found) == 1 else np.hypot(*found)) / kernel.divisor
        # The length of a gradient is up to 8,000: a step of float32 there is larger than 1e-5.
        within = 1e-5 if len(found) == 1 else np.spacing(np.float32(np.abs(expected).max()))
        assert np.abs(answer(kernel.name, picture) - expected).max() <= within


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_published_folder_is_that_of_its_table(kernel: Kernel) -> None:
    folder = MODELS / f"kernels-{kernel.name}" / "1"
    manifest = load_manifest(folder)
    assert manifest.picture is not None
    assert (manifest.picture.colour, manifest.picture.mapping) == (kernel.colour, kernel.mapping)
    assert (folder / "kernel.txt").read_text() == write_table(kernel)
    assert f"`{manifest.training.command}`" in (folder / "README.md").read_text()


def test_a_kernel_of_ones_own_is_published_and_exact(tmp_path: Path) -> None:
    (tmp_path / "Row.txt").write_text("# along a row\n1, 2 4 8, -3\n")
    done = CliRunner().invoke(app, ["kernel", str(tmp_path / "Row.txt"), "--divide", "4", "--models", str(tmp_path)])
    assert done.exit_code == 0, done.output
    folder = tmp_path / "kernels-row" / "1"
    manifest = verify_model(folder)
    assert manifest.picture is not None and manifest.picture.overlap == 2 and manifest.picture.trimmed
    picture = np.random.default_rng(1).integers(0, 256, (9, 12))
    images = np.repeat(picture.astype(np.float32)[None, ..., None], 3, axis=3)
    expected = scipy.ndimage.correlate1d(picture.astype(float), [1, 2, 4, 8, -3])[2:-2, 2:-2] / 4
    assert np.abs(open_onnx(folder / "model.onnx")(images)["pictures"][0, ..., 1] - expected).max() <= 1e-5
    with pytest.raises(ExportError, match="already published with other weights"):
        publish_kernel(KERNELS[0], "kernels-row", "1", "none", tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2\n3 4\n", "2x2 numbers; both sides must be odd"),
        ("1 2 3\n4 5 6\n", "2x3 numbers; both sides must be odd"),
        ("1 nan 1\n", "NaN, infinity"),
        ("1 inf 1\n", "NaN, infinity"),
        ("1e39 0 0\n", "too large"),
        ("1 2 3\n4 5\n", "rows differ in length"),
        ("one\n", "write numbers alone"),
        ("# nothing\n", "has no numbers"),
        (" ".join(["1"] * 103), "101 a side is the most"),
    ],
)
def test_a_file_that_is_no_kernel_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "kernel.txt").write_text(text)
    with pytest.raises(RecipeError, match=words):
        read_kernel(tmp_path / "kernel.txt", "k")


@pytest.mark.parametrize("divisor", [0.0, float("nan"), float("inf")])
def test_a_sum_is_divided_by_a_number(tmp_path: Path, divisor: float) -> None:
    (tmp_path / "kernel.txt").write_text("1")
    with pytest.raises(RecipeError, match="other than 0"):
        read_kernel(tmp_path / "kernel.txt", "k", divisor)
