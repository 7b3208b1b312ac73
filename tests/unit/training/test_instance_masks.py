"""Masks of single objects in training: labels to maps, maps through augmentation, the loss, the measure."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from convoy.core.manifest import MASK_OUTPUTS
from convoy_training.augment.mosaic import draw_mosaic, draw_single, place
from convoy_training.data import instances, isbi_cells
from convoy_training.data.archive import open_archive
from convoy_training.data.instances import decode, draw_instances, read_mask, shrink
from convoy_training.detecting.measuring import measure_masks
from convoy_training.errors import LabelError
from convoy_training.losses.detection import Assignment
from convoy_training.losses.masks import compute_mask_loss
from convoy_training.metrics.mask_precision import Masks, evaluate_masks, measure_mask_precision, summarise_masks
from convoy_training.metrics.precision import resample_curves, resample_pictures
from convoy_training.recipe_file import resolve_recipe
from convoy_training.structures import Scene
from convoy_training.tasks import detection

# pycocotools 2.0.11 does not know a keyword of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SQUARE = [2, 3, 10, 3, 10, 9, 2, 9]


def test_polygons_and_run_lengths_say_the_same() -> None:
    wanted = np.zeros((12, 20), bool)
    wanted[3:9, 2:10] = True
    flat = wanted.T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0, append=0))
    counts = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    for segmentation in ([SQUARE], {"size": [12, 20], "counts": counts}):
        mask = read_mask(segmentation, (12, 20))
        assert (decode(mask) == wanted).all()
        assert (decode(read_mask(mask, (12, 20))) == wanted).all()


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ([[2, 3, 10, 3]], "three points"),
        ([[2, 3, 10, 3, 10, 9, 2]], "three points"),
        ([[2, 3, 30, 3, 10, 9]], "leaves the picture of 20x12"),
        ([[2, -3, 10, 3, 10, 9]], "leaves the picture"),
        ([[2, float("nan"), 10, 3, 10, 9]], "not finite"),
        ({"size": [20, 12], "counts": [240]}, "do not fit 12x20"),
        ({"size": [12, 20], "counts": [5, 5]}, "do not add up"),
        ([], "no polygons"),
        (None, "no polygons"),
    ],
)
def test_masks_that_do_not_fit_their_picture_say_why(segmentation: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_mask(segmentation, (12, 20))


def test_in_a_map_the_smaller_of_two_objects_is_on_top() -> None:
    small, large = read_mask([[4, 4, 6, 4, 6, 6, 4, 6]], (12, 20)), read_mask([SQUARE], (12, 20))
    drawn = draw_instances([small, large], (12, 20))
    assert (drawn[4:6, 4:6] == 1).all()
    assert (drawn == 2).sum() == 6 * 8 - 4
    assert shrink(np.kron(drawn, np.ones((4, 4), np.uint16))).tolist() == drawn.tolist()


def two_squares() -> Scene:
    """Two squares of their own grey, 40 and 200, on black; their maps say 1 and 2."""
    image, drawn = np.zeros((64, 80, 3), np.uint8), np.zeros((64, 80), np.uint16)
    boxes = np.array([[8, 10, 24, 30], [40, 20, 72, 60]], np.float32)
    for number, (grey, (x0, y0, x1, y1)) in enumerate(zip((40, 200), boxes.astype(int), strict=True), 1):
        image[y0:y1, x0:x1], drawn[y0:y1, x0:x1] = grey, number
    return Scene(image, boxes, np.array([0, 1]), drawn)


@pytest.mark.parametrize("seed", range(12))
def test_masks_move_with_their_picture_and_boxes(seed: int) -> None:
    random = np.random.default_rng(seed)
    make = draw_mosaic if seed % 2 else draw_single
    scenes: Any = [two_squares()] * 4 if seed % 2 else two_squares()
    made = make(scenes, 96, (0.8, 1.6), (True, True), random)
    assert made.instances is not None
    assert set(np.unique(made.instances)) <= set(range(len(made.labels) + 1))
    for number, (box, label) in enumerate(zip(made.boxes_xyxy, made.labels, strict=True), 1):
        inside = made.instances == number
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        np.testing.assert_allclose([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], box, atol=1.01)
        middle = cv2.erode(inside.astype(np.uint8), np.ones((5, 5)), borderValue=0) > 0
        assert (made.image_rgb[middle] == (40, 200)[label]).all()


def test_an_object_whose_box_is_dropped_has_no_mask_left() -> None:
    scene = two_squares()
    made = place(scene, np.zeros((64, 64, 3), np.uint8), 1.0, (-20.0, 0.0), (False, False), (0, 0, 64, 64))
    assert made.labels.tolist() == [1]
    assert made.instances is not None
    assert set(np.unique(made.instances)) == {0, 1}
    assert made.instances[30, 40] == 1 and made.instances[15, 1] == 0


def test_the_loss_is_cross_entropy_and_dice_inside_the_box() -> None:
    instances = torch.zeros(1, 4, 4, dtype=torch.int32)
    instances[0, 1:3, 1] = 1
    box = torch.tensor([[[4.0, 4, 12, 12], [0, 0, 0, 0]]])  # the four pixels in the middle, at stride 4
    assignment = Assignment(
        torch.tensor([[True, False]]), box, torch.zeros(1, 2, 1), torch.zeros(1, 2, dtype=torch.long)
    )
    prototypes = torch.full((1, 1, 4, 4), -50.0)
    prototypes[0, 0, 1:3, 1] = 2.0
    prototypes[0, 0, 1:3, 2] = -2.0
    loss = compute_mask_loss(torch.tensor([[[1.0], [9.0]]]), prototypes, assignment, instances, 4, 10)
    sure = torch.sigmoid(torch.tensor(2.0))
    dice = (2 * 2 * sure + 1) / (2 * sure + 2 * (1 - sure) + 2 + 1)
    torch.testing.assert_close(loss, -sure.log() + 1 - dice)
    nothing = Assignment(torch.zeros(1, 2, dtype=torch.bool), box, assignment.target_scores, assignment.owner)
    assert compute_mask_loss(torch.ones(1, 2, 1), prototypes, nothing, instances, 4, 10) == 0


def test_average_precision_counts_overlap_of_masks_and_not_of_boxes() -> None:
    ring, disc = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    cv2.circle(disc, (20, 20), 15, 1, -1)
    cv2.circle(ring, (20, 20), 15, 1, 2)
    as_masks = [read_mask({"size": [40, 40], "counts": counts(one)}, (40, 40)) for one in (disc, ring)]
    truth, label, sure = Masks(as_masks[:1], np.array([0])), np.array([0]), np.array([0.9])
    right = measure_mask_precision([Masks(as_masks[:1], label, sure)], [truth], ["disc"])
    assert right == pytest.approx({"mask_map_50": 1.0, "mask_map_75": 1.0, "mask_map_50_95": 1.0})
    wrong = measure_mask_precision([Masks(as_masks[1:], label, sure)], [truth], ["disc"])
    assert wrong["mask_map_50"] == 0
    assert measure_mask_precision([Masks([], label[:0], sure[:0])], [truth], ["disc"])["mask_map_50"] == 0


def test_draws_of_pictures_give_the_precision_that_pycocotools_gives_on_them() -> None:
    random, found, truth = np.random.default_rng(0), [], []
    for _ in range(6):
        discs = [np.zeros((60, 60), np.uint8) for _ in range(3)]
        for number, disc in enumerate(discs):
            cv2.circle(disc, (15 + 15 * number, int(random.integers(12, 48))), 8, 1, -1)
        moved = [np.roll(disc, int(random.integers(0, 6)), 0) for disc in discs]
        kept = [read_mask({"size": [60, 60], "counts": counts(one)}, (60, 60)) for one in (*discs, *moved)]
        truth.append(Masks(kept[:3], np.zeros(3, int)))
        found.append(Masks(kept[3:], np.zeros(3, int), random.random(3)))
    evaluation, rows = evaluate_masks(found, truth, ["disc"]), np.array([5, 1, 1, 0])
    drawn = summarise_masks(resample_curves(evaluation)(rows))
    again = measure_mask_precision([found[row] for row in rows], [truth[row] for row in rows], ["disc"])
    assert drawn == pytest.approx(again)
    whole = measure_mask_precision(found, truth, ["disc"])["mask_map_50_95"]
    low, high = resample_pictures(evaluation, summarise_masks)["mask_map_50_95"]
    assert 0 < low < whole < high < 1


def counts(pixels: np.ndarray) -> list[int]:
    edges = np.flatnonzero(np.diff(pixels.T.reshape(-1).astype(np.int8), prepend=0, append=0))
    return [int(one) for one in np.diff(np.concatenate([[0], edges, [pixels.size]]))]


def test_cells_of_isbi_are_the_regions_between_membranes(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 30:33] = 1
    mask[60:, :] = 1
    mask[40:47, 40:47] = 1
    mask[42:45, 42:45] = 0  # nine pixels: a crumb
    for number in range(6):
        for kind, pixels in (("image", 200 - 100 * mask), ("mask", mask)):
            (tmp_path / kind).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / kind / f"{number}.png"), pixels)
    open_archive.cache_clear()
    (example,) = isbi_cells.load_split(str(tmp_path), "train").examples
    assert example.boxes_xyxy.tolist() == [[0, 0, 30, 60], [33, 0, 64, 60]]
    assert [int(decode(one).sum()) for one in example.masks] == [30 * 60, 31 * 60 - 49]


def write_discs(root: Path, spoil: Any = None) -> dict[str, Any]:
    """COCO JSON with a polygon around each of two discs a picture; spoil: changes the first annotation."""
    random, number = np.random.default_rng(0), 0
    for split, many in (("train", 4), ("val", 2)):
        (root / split).mkdir(parents=True)
        images, annotations = [], []
        for name in range(many):
            picture = random.integers(90, 130, (64, 64, 3)).astype(np.uint8)
            images.append({"id": name, "file_name": f"{split}{name}.png", "width": 64, "height": 64})
            for side in (0, 1):
                x, y, radius = 16 + 32 * side, int(random.integers(16, 48)), int(random.integers(8, 13))
                cv2.circle(picture, (x, y), radius, (250, 250, 250), -1)
                turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
                polygon = np.stack([x + 0.5 + radius * np.cos(turn), y + 0.5 + radius * np.sin(turn)], 1).reshape(-1)
                number += 1
                annotations.append(
                    {"id": number, "image_id": name, "category_id": 1, "segmentation": [polygon.tolist()]}
                )
            cv2.imwrite(str(root / split / f"{split}{name}.png"), picture)
        if spoil:
            spoil(annotations[0])
        document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
        (root / "annotations").mkdir(exist_ok=True)
        (root / f"annotations/{split}.json").write_text(json.dumps(document))
    open_archive.cache_clear()
    return {
        "name": "discs", "task": "detection", "epochs": 1, "batch_size": 4, "architecture": "yolo-masks",
        "data": {"format": "coco", "path": str(root), "title": "discs"}, "optimizer": {"name": "adamw", "lr": 0.01},
        "widths": (4, 8, 16, 16, 16), "depths": (1, 1, 1, 1), "head_width": 16, "prototypes": 4, "input_size": 64,
        "mosaic": 0.0, "plain_epochs": 0, "scales": (0.9, 1.1), "detection_threshold": 0.3, "licence": "none",
    }  # fmt: skip


def test_a_detector_learns_masks_from_polygons_and_its_graph_gives_them(tmp_path: Path) -> None:
    _, config = resolve_recipe(write_discs(tmp_path / "data"), "test")
    torch.manual_seed(0)
    model, batches = detection.build_model(config), detection.build_data(config).train
    learner = torch.optim.AdamW(model.parameters(), 0.01)
    losses = []
    for epoch in range(30):
        for batch in batches(epoch):
            loss, parts = detection.compute_loss(model, batch() if callable(batch) else batch, config)
            learner.zero_grad()
            loss.backward()
            learner.step()
            losses.append(float(parts["mask_loss"].detach()))
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    graph, about = detection.build_graph(model.eval(), config).eval(), detection.describe(config)
    with torch.no_grad():
        boxes, scores, prototypes, coefficients = graph(torch.from_numpy(detection.example_images(config)))
    assert about.outputs == ("boxes", "scores", *MASK_OUTPUTS["prototypes"])
    assert (boxes.shape, scores.shape) == ((2, 84, 4), (2, 84, 1))
    assert (prototypes.shape, coefficients.shape) == ((2, 4, 16, 16), (2, 84, 4))


def test_masks_are_measured_as_the_service_cuts_them(tmp_path: Path) -> None:
    _, config = resolve_recipe(write_discs(tmp_path / "data"), "test")
    examples = detection.load_split(config, "validation").examples
    turns = iter(examples)

    def know(images: np.ndarray) -> dict[str, np.ndarray]:
        """The truth as a graph would give it: a prototype for each object, at a quarter of the size."""
        example = next(turns)
        maps = [
            cv2.resize(decode(one).astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA) for one in example.masks
        ]
        return {
            "boxes": example.boxes_xyxy[None],
            "scores": np.full((1, 2, 1), 0.9, np.float32),
            "prototypes": np.stack(maps)[None] - 0.5,
            "coefficients": np.eye(2, dtype=np.float32)[None],
        }

    values = {metric.name: metric.value for metric in measure_masks(know, config, "validation")}
    assert values["mask_map_75"] == pytest.approx(1.0)
    assert 0.7 < values["mask_map_50_95"] <= 1.0


def test_masks_of_a_split_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, config = resolve_recipe(write_discs(tmp_path / "data"), "test")
    first = detection.load_split(config, "train")
    monkeypatch.setattr(instances, "read_mask", lambda *_: pytest.fail("a mask is read again"))
    assert detection.load_split(config, "train") is first


def test_a_polygon_that_leaves_its_picture_and_a_box_without_a_mask_are_named(tmp_path: Path) -> None:
    def leave(annotation: dict[str, Any]) -> None:
        annotation["segmentation"][0][0] = 900.0
        annotation["bbox"] = [1, 1, 20, 20]

    def without(annotation: dict[str, Any]) -> None:
        del annotation["segmentation"]
        annotation["bbox"] = [1, 1, 20, 20]

    for place_, (spoil, words) in enumerate(((leave, "leaves the picture of 64x64"), (without, "no polygons"))):
        _, config = resolve_recipe(write_discs(tmp_path / str(place_), spoil), "test")
        with pytest.raises(LabelError, match=words):
            detection.load_split(config, "train")


def test_augmentation_that_moves_no_masks_is_refused(tmp_path: Path) -> None:
    fields = write_discs(tmp_path / "data") | {"augment": {"rotate": 10}}
    with pytest.raises(Exception, match="moves boxes and no masks"):
        resolve_recipe(fields, "test")
