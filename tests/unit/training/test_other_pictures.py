"""Photographs of one's own, such as Set5: `evaluate --data` measures on them, as an independent reader does."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from convoy.core.manifest import GRAPH_FILE, load_manifest
from convoy.imaging.task import transform
from convoy_training.augment.degradation import Downscale
from convoy_training.cli import app
from convoy_training.evaluation import open_subject
from convoy_training.session import open_onnx
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio
from typer.testing import CliRunner

MODEL = Path("exported_models/super-resolution-x2/1")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures, one of odd sides and one grey, of shapes with edges."""
    folder, random = tmp_path / "Set3", np.random.default_rng(2)
    folder.mkdir()
    for number, (height, width) in enumerate(((60, 72), (51, 65), (64, 48))):
        small = random.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.circle(picture, (30, 25), 12, (20, 200, 250), -1)
        Image.fromarray(picture).convert("L" if number == 2 else "RGB").save(folder / f"{number}.png")
    return folder


def bicubic_in_matlab(picture: np.ndarray, factor: int) -> np.ndarray:
    """MATLAB's imresize(picture, 1 / factor), written from its documentation: a kernel as wide as the reduction."""

    def cubic(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        return np.where(x <= 1, inner, np.where(x <= 2, outer, 0))

    def along(values: np.ndarray) -> np.ndarray:
        length = len(values)
        centres = (np.arange(length // factor) + 0.5) * factor - 0.5
        places = np.floor(centres)[:, None] + np.arange(-2 * factor, 2 * factor + 2)
        weights = cubic((places - centres[:, None]) / factor)
        weights /= weights.sum(1, keepdims=True)
        mirrored = places.astype(int) % (2 * length)
        mirrored = np.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
        return np.einsum("kj,kj...->k...", weights, values[mirrored])

    rows = along(picture.astype(np.float64))
    return np.asarray(along(rows.swapaxes(0, 1)).swapaxes(0, 1))


def test_photographs_are_shrunk_as_matlab_does_it(pictures: Path) -> None:
    for factor in (2, 4):
        picture = np.asarray(Image.open(pictures / "0.png"))
        ours = Downscale(kind="downscale", factor=factor).apply(picture, 0, np.random.default_rng(0))
        theirs = np.rint(bicubic_in_matlab(picture, factor)).clip(0, 255)
        inner = np.s_[2:-2, 2:-2]  # at the rim MATLAB mirrors, and Pillow leaves out
        differences = np.abs(ours.astype(float) - theirs)[inner]
        assert differences.max() <= 2 and differences.mean() < 0.4  # Pillow also rounds after the rows


def test_ones_own_photographs_are_measured_as_an_independent_reader_does(pictures: Path) -> None:
    manifest, predict = load_manifest(MODEL), open_onnx(MODEL / GRAPH_FILE)
    scores = []
    for file in sorted(pictures.glob("*.png")):
        picture = Image.open(file).convert("RGB")
        truth = picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2))
        small = truth.resize((truth.width // 2, truth.height // 2), Image.Resampling.BICUBIC)
        answer = transform(predict, np.asarray(small), manifest)
        bicubic = np.asarray(small.resize(truth.size, Image.Resampling.BICUBIC))
        bright = [rgb2ycbcr(np.asarray(one))[2:-2, 2:-2, 0] for one in (truth, answer, bicubic)]
        scores.append([peak_signal_noise_ratio(bright[0], one, data_range=255) for one in bright[1:]])
    own, plain = np.mean(scores, axis=0)
    metrics = {metric.name: metric for metric in open_subject(MODEL, data=pictures).measure("all")}
    assert metrics["psnr_db"].value == pytest.approx(own, abs=1e-3)
    assert metrics["psnr_db_bicubic"].value == pytest.approx(plain, abs=1e-3)
    assert (metrics["psnr_db"].dataset, metrics["psnr_db"].n) == ("Set3", 3)
    done = CliRunner().invoke(app, ["evaluate", str(MODEL), "--data", str(pictures), "--split", "all"])
    assert done.exit_code == 0 and f"psnr_db                  {own:.4f}  (Set3, all, n=3)" in done.output


def test_other_data_that_are_not_there_are_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(MODEL), "--data", str(tmp_path / "none"), "--split", "all"])
    assert done.exit_code != 0 and "there is no such file or folder" in done.output + str(done.exception)
    embedder = ["evaluate", "exported_models/face-embedder-small/1", "--data", str(tmp_path)]
    done = CliRunner().invoke(app, embedder)
    assert done.exit_code != 0 and "lie in several places" in done.output + str(done.exception)
