"""Networks that mend pictures: they learn from photographs, are published, and are measured beside a yardstick."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from convoy.core.models.loaded_model import verify_model
from convoy.imaging.options import Options
from convoy.imaging.task import transform
from convoy_training.augment.degradation import Downscale, Jpeg, Noise
from convoy_training.augment.holes import draw_holes
from convoy_training.errors import LabelError, RecipeError
from convoy_training.metrics.picture_quality import measure_psnr, measure_ssim, studio_luminance
from convoy_training.models.edsr import EDSR
from convoy_training.models.espcn import ESPCN
from convoy_training.models.ffdnet import FFDNet
from convoy_training.models.gated_inpainter import GatedInpainter
from convoy_training.publishing.publication import publish_model
from convoy_training.recipe_file import resolve_recipe
from convoy_training.runs.loop import build_predict, fit
from convoy_training.session import open_onnx

DEGRADES: dict[str, dict[str, Any]] = {
    "noise": {"kind": "noise", "levels": [5, 40], "measured": [25]},
    "downscale": {"kind": "downscale", "factor": 2},
    "jpeg": {"kind": "jpeg", "measured": [10]},
    "holes": {"kind": "holes", "levels": [3, 8], "measured": [6]},
    "grey": {"kind": "grey"},
}
NETWORKS = {"downscale": "espcn", "noise": "ffdnet", "holes": "gated-inpainter"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of smooth shapes, of sizes that are no multiples of anything."""
    folder, random = tmp_path_factory.mktemp("data") / "photographs", np.random.default_rng(0)
    folder.mkdir()
    for number in range(12):
        small = random.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        picture = cv2.resize(small, (61 + number, 53), interpolation=cv2.INTER_CUBIC)
        cv2.circle(picture, (30, 25), 5 + number, (20, 200, 250), -1)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def recipe(photographs: Path, kind: str, **changed: Any) -> tuple[Any, Any]:
    fields: dict[str, Any] = {
        "name": f"tiny-{kind}",
        "task": "picture_to_picture",
        "data": {"path": str(photographs), "title": "shapes", "split": {"val": 0.2}},
        "degrade": DEGRADES[kind],
        "epochs": 1,
        "batch_size": 4,
        "crop": 24,
        "optimizer": {"name": "adamw", "lr": 2e-3},
        "architecture": NETWORKS.get(kind, "edsr"),
        "told": kind == "noise",
        "width": 8,
        "depth": 3,
        "long_side": 48,
    }
    return resolve_recipe(fields | changed, "here")


def test_a_network_is_trained_published_and_served(photographs: Path, tmp_path: Path) -> None:
    task, config = recipe(photographs, "downscale")
    model = fit(task, config, tmp_path / "run")
    folder = publish_model(task, config, model, tmp_path / "models", run=tmp_path / "run")
    manifest = verify_model(folder)
    assert manifest.picture is not None and manifest.picture.colour == "luminance" and manifest.picture.scale == 2
    names = [metric.name for metric in manifest.metrics]
    assert names == ["psnr_db", "ssim", "psnr_db_bicubic", "ssim_bicubic", "gain_db"]
    assert (folder / "psnr.svg").exists()
    picture = cv2.imread(str(photographs / "3.png"))
    assert transform(open_onnx(folder / "model.onnx"), picture, manifest).shape == (106, 128, 3)


@pytest.mark.parametrize(
    ("kind", "colour"),
    [
        ("noise", "luminance"),
        ("noise", "rgb"),
        ("jpeg", "rgb"),
        ("jpeg", "luminance"),
        ("holes", "rgb"),
        ("grey", "rgb"),
    ],
)
def test_every_kind_is_learnt_and_measured(photographs: Path, kind: str, colour: Any) -> None:
    task, config = recipe(photographs, kind, colour=colour)
    model = task.build_model(config)
    loss, _ = task.compute_loss(model, next(task.build_data(config).train(0)), config)
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    manifest = task.describe(config).preview()
    assert manifest.picture.colour == colour
    assert manifest.picture.inputs == {"noise": ["noise_level"], "holes": ["mask"]}.get(kind, [])
    assert task.example_images(config).shape[1:] == (96, 96, 4 if manifest.picture.inputs else 3)
    measured = {m.name: m.value for m in task.evaluate(build_predict(task, config, model), config, "validation")}
    name = "psnr_db" + {"noise": "_sigma_25", "jpeg": "_quality_10", "holes": "_thickness_6"}.get(kind, "")
    plain = {"noise": "non_local_means", "holes": "telea"}.get(kind, "unmended")
    assert 3 < measured[name] < 45
    gain = measured[f"gain_db{name.removeprefix('psnr_db')}"]
    assert gain == pytest.approx(measured[name] - measured[f"{name}_{plain}"])
    if plain == "unmended":  # an untrained network changes nothing
        assert gain == pytest.approx(0)


def test_what_is_not_masked_comes_back_as_it_was_and_the_hole_is_not_seen(photographs: Path) -> None:
    task, config = recipe(photographs, "holes", colour="rgb", depth=4, crop=24)
    torch.manual_seed(0)
    graph, manifest = task.build_graph(task.build_model(config).eval(), config), task.describe(config).preview()
    picture, mask = cv2.imread(str(photographs / "4.png")), np.zeros((53, 65), np.uint8)
    mask[20:30, 25:40] = 255
    other = np.where(mask[..., None] > 0, 255 - picture, picture).astype(np.uint8)

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {"pictures": graph(torch.from_numpy(images.copy())).numpy()}

    filled, again = (transform(predict, one, manifest, Options(), mask) for one in (picture, other))
    assert np.array_equal(filled, again)
    assert np.array_equal(filled[mask == 0], picture[mask == 0]) and not np.array_equal(filled, picture)


def test_holes_are_as_thick_as_asked_and_differ() -> None:
    one, other = (draw_holes(200, 200, 12, np.random.default_rng(seed)) for seed in (0, 1))
    assert set(np.unique(one)) == {0, 255} and not np.array_equal(one, other)
    thick = [
        cv2.distanceTransform(draw_holes(200, 200, t, np.random.default_rng(2)), cv2.DIST_L2, 5).max() for t in (4, 24)
    ]
    assert thick[1] > 2 * thick[0]
    assert 0.02 < np.mean([draw_holes(300, 300, 12, np.random.default_rng(n)).mean() / 255 for n in range(9)]) < 0.4


def test_a_faint_fault_is_learnt_although_the_first_steps_are_large(photographs: Path, tmp_path: Path) -> None:
    task, config = recipe(
        photographs,
        "jpeg",
        colour="rgb",
        epochs=30,
        width=16,
        depth=6,
        crops=4,
        optimizer={"name": "adamw", "lr": 3e-3},
    )
    after = fit(task, config, tmp_path / "run").eval()
    batch = next(task.build_data(config.model_copy(update={"seed": 1})).train(0))
    with torch.inference_mode():
        losses = [task.compute_loss(model, batch, config)[0].item() for model in (task.build_model(config), after)]
    assert losses[1] < 0.97 * losses[0]


def test_training_takes_noise_away(photographs: Path, tmp_path: Path) -> None:
    task, config = recipe(photographs, "noise", epochs=60, width=16, crops=8, optimizer={"name": "adamw", "lr": 5e-3})
    before = task.build_model(config).eval()
    after = fit(task, config, tmp_path / "run").eval()
    batch = next(task.build_data(config.model_copy(update={"seed": 1})).train(0))
    with torch.inference_mode():
        losses = [task.compute_loss(model, batch, config)[0].item() for model in (before, after)]
    assert losses[1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("build", "stride", "overlap"),
    [
        (lambda: FFDNet(1, 8, 4, levels=True), 2, 8),
        (lambda: EDSR(1, 8, 6, scale=1), 2, 12),
        (lambda: EDSR(1, 8, 6, scale=2), 1, 7),
        (lambda: GatedInpainter(1, 8, 6), 4, 68),
        (lambda: ESPCN(1, 8, 4, scale=2), 1, 5),
        (lambda: ESPCN(1, 8, 4, scale=4), 1, 5),
    ],
    ids=["ffdnet", "edsr", "edsr x2", "gated", "espcn x2", "espcn x4"],
)
def test_a_pixel_depends_on_no_more_than_the_overlap_around_it(build: Any, stride: int, overlap: int) -> None:
    torch.manual_seed(0)
    network = build().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    planes = torch.rand(1, 1, 192, 192, requires_grad=True)
    answer = network(planes, torch.full((1, 1, 192, 192), 0.1))
    scale = answer.shape[2] // 192
    middle = 96 * scale
    answer[0, 0, middle : middle + stride * scale, middle : middle + stride * scale].sum().backward()
    assert planes.grad is not None
    rows = torch.nonzero(planes.grad[0, 0].abs().sum(1)).flatten()
    assert 96 - overlap <= int(rows.min()) and int(rows.max()) < 96 + stride + overlap


def test_tiles_of_a_real_network_leave_no_seams(photographs: Path) -> None:
    task, config = recipe(photographs, "noise", depth=4, crop=24)
    torch.manual_seed(0)
    model = task.build_model(config).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.05)
    graph, manifest = task.build_graph(model, config), task.describe(config).preview()
    picture = cv2.imread(str(photographs / "5.png"))

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {"pictures": graph(torch.from_numpy(images.copy())).numpy()}

    whole = manifest.model_copy(update={"input": manifest.input.model_copy(update={"long_side": 512})})
    tiled, at_once = (transform(predict, picture, one, Options(noise_level=20)) for one in (manifest, whole))
    assert np.abs(tiled.astype(int) - at_once).max() <= 1
    assert np.abs(at_once.astype(int) - picture).max() > 3  # the network does something


def test_what_spoils_a_picture_does_what_it_says() -> None:
    random, grey = np.random.default_rng(0), np.full((200, 200), 128, np.uint8)
    noisy = Noise(kind="noise").apply(grey, 20, random)
    assert noisy.dtype == np.uint8 and abs(noisy.std() - 20) < 0.5 and abs(noisy.mean() - 128) < 0.5
    assert Downscale(kind="downscale", factor=4).apply(grey, 0, random).shape == (50, 50)
    pattern = cv2.resize(random.integers(0, 256, (9, 9, 3), dtype=np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
    strong, weak = (np.abs(Jpeg(kind="jpeg").apply(pattern, q, random).astype(int) - pattern).mean() for q in (5, 90))
    assert strong > 2 * weak > 0


def test_psnr_and_ssim_are_those_of_the_definitions() -> None:
    truth = np.full((32, 32), 100, np.uint8)
    assert measure_psnr(truth + 10, truth) == pytest.approx(20 * np.log10(255 / 10))
    assert measure_psnr(truth, truth) == float("inf")
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (40, 40), dtype=np.uint8)
    assert measure_ssim(picture, picture) == pytest.approx(1)
    assert measure_ssim(random.permutation(picture), picture) < 0.2
    hole = np.zeros((40, 40), bool)
    hole[10:20, 15:30] = True
    beside = np.where(hole, picture, random.permutation(picture))
    assert measure_ssim(beside, picture, hole) > measure_ssim(beside, picture) + 0.3  # what is elsewhere does not count
    assert measure_ssim(np.where(hole, 255 - picture, picture), picture, hole) < 0.3
    corners = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert studio_luminance(corners).tolist() == [pytest.approx([16, 235], abs=1e-3)]


@pytest.mark.parametrize(
    ("kind", "changed", "words"),
    [
        ("jpeg", {"told": True}, "only noise has a level"),
        ("holes", {"colour": "luminance"}, "holes needs rgb"),
        ("holes", {"architecture": "edsr", "colour": "rgb"}, "gated-inpainter, and it alone"),
        ("noise", {"crop": 25}, "multiple of 2"),
        ("noise", {"depth": 12, "architecture": "ffdnet"}, "no room between the overlaps"),
        ("noise", {"degrade": {"kind": "noise", "levels": [9, 3]}}, "lowest, highest"),
        ("noise", {"degrade": {"kind": "rain"}}, "rain"),
        ("noise", {"architecture": "unet"}, "no architecture 'unet' for picture_to_picture"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(photographs: Path, kind: str, changed: Any, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe(photographs, kind, **changed)


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    task, config = recipe(tmp_path, "noise")
    with pytest.raises(LabelError, match="there are none"):
        task.build_data(config)


def test_both_splits_share_no_photograph(photographs: Path) -> None:
    task, config = recipe(photographs, "noise")
    train, held_out = ({e.photo.name for e in task.load_split(config, s).examples} for s in ("train", "validation"))
    assert len(train | held_out) == 12 and not train & held_out and held_out
