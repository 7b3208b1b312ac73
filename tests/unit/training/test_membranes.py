"""The original U-Net and its task: slices, the Rand score, the published sizes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from convoy_training.data import isbi
from convoy_training.data.archive import open_archive
from convoy_training.errors import LabelError, RecipeError
from convoy_training.losses.borders import weigh_borders
from convoy_training.metrics.regions import measure_rand_score
from convoy_training.models.unet_original import OriginalUNet
from convoy_training.publishing import class_bias
from convoy_training.recipe_file import resolve_recipe
from convoy_training.runs.loop import fit
from convoy_training.session import open_onnx
from convoy_training.tasks import segmentation


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """Seven slices of two cells with a membrane between them."""
    for number in range(7):
        mask = np.zeros((64, 64), np.uint8)
        mask[:, 20 + number : 24 + number] = 1
        for kind, pixels in (("image", np.where(mask, 40, 200).astype(np.uint8)), ("mask", mask)):
            (tmp_path / kind).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / kind / f"{number:02d}.png"), pixels)
    open_archive.cache_clear()
    return tmp_path


def test_the_last_slices_are_the_validation_split(slices: Path) -> None:
    train, validation = (isbi.load_split(str(slices), split) for split in ("train", "validation"))
    assert (len(train.examples), len(validation.examples)) == (2, 5)
    assert train.examples[1].read_mask()[0].argmax() == 21 and validation.examples[0].read_mask()[0].argmax() == 22


def test_a_mask_of_another_size_or_none_is_named(slices: Path) -> None:
    cv2.imwrite(str(slices / "mask" / "01.png"), np.zeros((64, 60), np.uint8))
    with pytest.raises(LabelError, match=r"mask/01\.png: the mask is \(64, 60\), its image \(64, 64\)"):
        isbi.load_split(str(slices), "train")
    (slices / "mask" / "06.png").unlink()
    open_archive.cache_clear()
    with pytest.raises(LabelError, match=r"mask/06\.png: the file does not exist"):
        isbi.load_split(str(slices), "validation")


def test_a_membrane_segmenter_trains_and_is_judged_by_regions(slices: Path, tmp_path: Path) -> None:
    fields = {
        "name": "m", "task": "segmentation", "epochs": 4, "repeats": 8, "batch_size": 4, "ema_decay": 0.9,
        "data": {"format": "isbi", "path": str(slices), "title": "slices"}, "architecture": "unet-original",
        "widths": (4, 8, 16), "crop": (32, 32), "augment": {"upside_down": 0.5, "warp": 2.0}, "long_side": 64,
        "regions_of": "cell", "optimizer": {"name": "adamw", "lr": 0.02}, "dropout": 0.0,
    }  # fmt: skip
    task, config = resolve_recipe(fields, "test")
    torch.manual_seed(0)
    fit(task, config, tmp_path / "run")
    text = (tmp_path / "run" / "metrics.json").read_text()
    metrics = {metric["name"]: metric for metric in json.loads(text)}
    assert {"mean_iou", "pixel_accuracy", "foreground_rand_score", "iou_cell", "iou_membrane"} == set(metrics)
    for metric in metrics.values():
        assert metric["interval"][0] <= metric["value"] <= metric["interval"][1]
        assert metric["condition"] == "interval from 5 pictures, too few to be sure of it"


@pytest.mark.parametrize("field", [{"class_bias": (0.0, 1.0, 2.0)}, {"palette": [[0, 0, 0]]}])
def test_entries_of_other_classes_are_refused(slices: Path, field: dict[str, object]) -> None:
    fields = {"name": "m", "task": "segmentation", "epochs": 1, "batch_size": 4, "optimizer": {"lr": 0.02}, **field,
              "data": {"format": "isbi", "path": str(slices), "title": "slices"}}  # fmt: skip
    task, config = resolve_recipe(fields, "test")
    with pytest.raises(RecipeError, match=rf"{next(iter(field))}: has [13] entries for 2 classes"):
        task.build_model(config)


def test_regions_are_of_a_class_that_there_is(slices: Path) -> None:
    fields = {"name": "m", "task": "segmentation", "epochs": 1, "batch_size": 4, "optimizer": {"lr": 0.02},
              "regions_of": "nothing", "data": {"format": "isbi", "path": str(slices), "title": "slices"}}  # fmt: skip
    task, config = resolve_recipe(fields, "test")
    with pytest.raises(RecipeError, match="regions_of: there is no class 'nothing'; the classes are"):
        task.build_model(config)


def test_the_rand_score_by_hand() -> None:
    truth = np.ones((8, 9), bool)
    truth[:, 4] = False
    assert measure_rand_score(truth, truth) == pytest.approx(1.0)
    thick = truth.copy()
    thick[:, 3:6] = False
    assert measure_rand_score(thick, truth) == pytest.approx(1.0)  # a thick membrane separates as well
    # One region for two halves: 2 * 32 * 31 pairs belong together, 64 * 63 are put together.
    merged = 1984 / ((1984 + 4032) / 2)
    assert measure_rand_score(np.ones_like(truth), truth) == pytest.approx(merged)
    assert measure_rand_score(np.zeros_like(truth), truth) == 0.0
    gap = truth.copy()
    gap[0, 4] = True
    assert measure_rand_score(gap, truth) == pytest.approx(merged)  # one pixel of a gap merges both


def test_intervals_of_a_segmenter_come_from_its_frames(slices: Path) -> None:
    fields = {
        "name": "m", "task": "segmentation", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1}, "regions_of": "cell",
        "data": {"format": "isbi", "path": str(slices), "title": "slices"},
    }  # fmt: skip
    task, config = resolve_recipe(fields, "test")
    frames = iter(range(5))

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:  # right in all frames but one, where all is one cell
        return {"class_map": ((images[..., 0] < 100) & (next(frames) > 0)).astype(np.uint8)}

    metrics = {metric.name: metric for metric in task.evaluate(predict, config, "validation")}  # type: ignore[arg-type]
    wrong = 1 - 4 / 64  # of the pixels of that frame, the membrane's four columns
    # Five draws hit that frame up to three times in 97.5 of 100 cases (0.33 never, 0.007 four times and more).
    assert metrics["pixel_accuracy"].value == pytest.approx((4 + wrong) / 5)
    assert metrics["pixel_accuracy"].interval == pytest.approx((1 - 3 * (1 - wrong) / 5, 1.0))
    low, high = metrics["foreground_rand_score"].interval or (0, 0)
    assert high == 1.0 and (1 - low) / (1 - metrics["foreground_rand_score"].value) == pytest.approx(3)
    assert metrics["iou_membrane"].interval == pytest.approx((0.4, 1.0))


def test_the_paper_net_has_the_papers_shapes() -> None:
    with torch.device("meta"):
        net = OriginalUNet(2, channels=1)
        assert net(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
        assert OriginalUNet(2, padded=True)(torch.zeros(1, 3, 64, 96)).shape == (1, 2, 64, 96)
    assert sum(p.numel() for p in net.parameters()) == 31_030_658


def test_the_weight_between_two_cells_by_hand() -> None:
    row = np.zeros((1, 11), bool)
    row[:, :4] = row[:, 6:] = True  # two cells, a border of two pixels between them
    weights = weigh_borders(np.repeat(row, 5, 0), height=10, width_px=5)
    # Column 4 touches the left cell (d1 = 1) and is two away from the right one (d2 = 2): 10 exp(-9 / 50).
    assert weights[2, 4] == weights[2, 5] == pytest.approx(10 * np.exp(-9 / 50), rel=1e-5)
    # Column 3 is inside the left cell, one pixel from its border, three from the right cell.
    assert weights[2, 3] == pytest.approx(10 * np.exp(-16 / 50), rel=1e-5)
    assert weights[2, 0] == pytest.approx(10 * np.exp(-((4 + 6) ** 2) / 50), rel=1e-5)
    narrow = weigh_borders(np.repeat(row, 5, 0), height=10, width_px=0.5)
    assert narrow[2, 0] == 0 and narrow[2, 4] > 0
    assert (weigh_borders(np.ones((4, 4), bool), 10, 5) == 0).all()  # one cell: there is nothing to part


def test_the_paper_loss_is_a_mean_weighted_by_class_and_border(slices: Path) -> None:
    fields = {
        "name": "m", "task": "segmentation", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1}, "regions_of": "cell",
        "data": {"format": "isbi", "path": str(slices), "title": "slices"}, "borders": {"height": 10, "width_px": 5},
    }  # fmt: skip
    _, config = resolve_recipe(fields, "test")
    target = torch.tensor([[[0, 0, 1, 0, 255]]])
    logits = torch.tensor([[[[2.0, 2, 2, 2, 9]], [[0.0, 0, 0, 0, -9]]]])
    border = weigh_borders(np.array([[True, True, False, True, False]]), 10, 5)[0]
    weights = np.array([0.5, 0.5, 2.0, 0.5]) + border[:4]
    costs = np.log1p(np.exp(-2.0)) + np.array([0, 0, 2.0, 0])
    loss = segmentation.compute_entropy(logits, target, torch.tensor([0.5, 2.0]), config)  # type: ignore[arg-type]
    assert loss.item() == pytest.approx((weights * costs).sum() / weights.sum(), rel=1e-5)
    with pytest.raises(RecipeError, match="regions_of"):
        resolve_recipe({**fields, "regions_of": ""}, "test")


def test_a_bias_moves_the_choice_of_class() -> None:
    model = torch.nn.Conv2d(3, 2, 1)
    torch.nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor([1.0, 0.0])
    image = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    assert segmentation.Graph(model)(image).sum() == 0 and segmentation.Graph(model, (0.0, 1.5))(image).sum() == 16


@pytest.mark.parametrize("there", [(), (0.0, 0.5)])
def test_the_least_bias_that_separates_is_chosen_whatever_the_graph_has(slices: Path, there: tuple[float, ...]) -> None:
    fields = {
        "name": "m", "task": "segmentation", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1}, "regions_of": "cell",
        "data": {"format": "isbi", "path": str(slices), "title": "slices"}, "class_bias": there,
    }  # fmt: skip
    task, config = resolve_recipe(fields, "test")
    in_graph = there[1] if there else 0.0

    def logits(images: np.ndarray) -> np.ndarray:
        dark = np.where(images[..., 0] < 100, -0.8, -9.0) + in_graph  # membranes are found from a bias of 0.8 on
        return np.stack([np.zeros_like(dark), dark], 1).astype(np.float32)

    choices = list(class_bias.try_biases(logits, task, config, "train"))
    assert [choice.class_bias for choice in choices] == [(0.0, bias) for bias in class_bias.BORDERS]
    found = [choice.values["foreground_rand_score"] for choice in choices]
    assert max(found[:2]) < 0.8 and found[2:] == pytest.approx([1.0] * len(found[2:]))
    assert class_bias.choose_bias(choices).class_bias == (0.0, 1.0)


def test_the_logits_of_a_published_segmenter_are_what_its_classes_come_from() -> None:
    file = Path("exported_models/isbi-unet/1/model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    unbiased = class_bias.bias_classes(class_bias.open_logits(file), np.zeros(2, np.float32))
    np.testing.assert_array_equal(unbiased(images)["class_map"], open_onnx(file)(images)["class_map"])


def test_a_share_of_the_class_weights_is_taken_back(slices: Path) -> None:
    fields = {
        "name": "m", "task": "segmentation", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1},
        "data": {"format": "isbi", "path": str(slices), "title": "slices"},
    }  # fmt: skip
    task, config = resolve_recipe(fields, "test")
    # 60 of 64 columns are cell: square roots of median over frequency, 0.73 and 2.83, over their mean.
    biases = class_bias.list_biases(config)  # type: ignore[arg-type]
    assert biases[0] == (0.0, 0.0) and biases[-1] == pytest.approx((0.89, -0.46), abs=0.01)
    np.testing.assert_allclose(biases[2], np.array(biases[-1]) / 2, atol=0.01)

    def logits(images: np.ndarray) -> np.ndarray:  # of every second cell pixel it is not sure, and prefers membrane
        found = np.where(images[..., 0] < 100, 3.0, -3.0)
        found[:, ::2] = np.where(found[:, ::2] < 0, 0.5, 3.0)
        return np.stack([np.zeros_like(found), found], 1).astype(np.float32)

    choices = list(class_bias.try_biases(logits, task, config, "train"))  # type: ignore[arg-type]
    assert choices[0].values["mean_iou"] < 0.5 and choices[-1].values == {"mean_iou": 1.0}
    assert class_bias.choose_bias(choices).class_bias == biases[2]


def test_only_segmenters_have_a_bias_to_choose() -> None:
    with pytest.raises(RecipeError, match="does detection"):
        class_bias.measure_biases(Path("exported_models/bccd-yolo/1"))
