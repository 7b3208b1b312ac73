"""Named points in training: labels, mirrors, the loss, the measure, and the graph that a service answers with."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from convoy.core.manifest import GRAPH_FILE
from convoy.core.models.engine import Engine
from convoy.core.pictures.decoding import Picture
from convoy.detection import task
from convoy_training.augment.mosaic import draw_mosaic, draw_single
from convoy_training.data.archive import open_archive
from convoy_training.data.poses import BODY, Pose, find_mirrored, find_sigmas, read_pose
from convoy_training.detecting.measuring import measure_points
from convoy_training.errors import LabelError
from convoy_training.losses.detection import Assignment
from convoy_training.losses.points import compute_point_loss
from convoy_training.metrics.point_precision import Poses, evaluate_poses, summarise_poses
from convoy_training.metrics.precision import read_precision, resample_curves
from convoy_training.publishing.export import export_onnx
from convoy_training.recipe_file import resolve_recipe
from convoy_training.structures import Places, Scene
from convoy_training.tasks import detection
from pycocotools.cocoeval import Params

from benchmarks import made_objects
from tests.unit.training.test_mask_rcnn import fish

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = {"architecture": "yolo-points", "points": ["head", "tail", "left_fin", "right_fin"], "head_width": 16,
         "widths": (4, 8, 16, 16, 16), "depths": (1, 1, 1, 1)}  # fmt: skip


def test_the_sigmas_of_a_body_are_those_of_pycocotools() -> None:
    np.testing.assert_allclose(list(BODY.values()), Params("keypoints").kpt_oks_sigmas)
    assert find_sigmas(["nose", "left_eye"]) == (0.026, 0.025)
    assert find_sigmas(["nose", "tail"]) == (0.05, 0.05)
    assert find_sigmas(["nose", "tail"], (0.1, 0.2)) == (0.1, 0.2)


def test_a_mirror_exchanges_left_and_right() -> None:
    assert find_mirrored(["nose", "left_eye", "right_eye", "left_fin"]) == (0, 2, 1, 3)


@pytest.mark.parametrize(
    ("numbers", "names", "words"),
    [
        ([1, 2, 2], (), "3 numbers, and x, y, v of 2 points are 6"),
        ([1, 2, 2, 3, 4, 2], ("nose", "ear"), "no point 'tail'; it has: nose, ear"),
        ([1, float("nan"), 2, 3, 4, 2], (), "not finite"),
        ([1, 2, 3, 3, 4, 2], (), "v of a point is 0, 1 or 2"),
        ([1, 2, 2, 300, 4, 2], (), "outside the picture of 40x30"),
        ([1, 2, 2, 3, -4, 1], (), "outside the picture"),
        (["x", 2, 2, 3, 4, 2], (), "no number"),
        (None, (), "no number"),
    ],
)
def test_points_that_do_not_fit_their_picture_say_why(numbers: Any, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_pose(Pose(numbers, names), ("nose", "tail"), (40, 30))


def test_points_are_taken_by_name_and_what_is_not_labelled_is_nowhere() -> None:
    pose = Pose([900, 900, 0, 7, 8, 1, 3, 4, 2], ("nose", "tail", "ear"))
    assert read_pose(pose, ("ear", "nose", "tail"), (40, 30)) == [[3, 4, 2], [0, 0, 0], [7, 8, 1]]
    assert read_pose(None, ("ear",), (40, 30)) == [[0, 0, 0]]


@pytest.mark.parametrize("seed", range(12))
def test_points_move_with_their_pixels_and_left_stays_the_objects_own(seed: int) -> None:
    image = np.zeros((64, 80, 3), np.uint8)
    # An arrow upwards: seen from above, its left is to the left. The dots are of three greys.
    points = np.array([[[30, 20, 2], [20, 40, 2], [40, 40, 2]]], np.float32)
    for (x, y, _), grey in zip(points[0].astype(int), (80, 160, 240), strict=True):
        image[y - 2 : y + 3, x - 2 : x + 3] = grey
    box = np.array([[12, 12, 48, 48]], np.float32)
    scene = Scene(image, box, np.array([0]), places=Places(points + np.float32([0.5, 0.5, 0]), (0, 2, 1)))
    random = np.random.default_rng(seed)
    make: Any = draw_mosaic if seed % 2 else draw_single
    made = make([scene] * 4 if seed % 2 else scene, 96, (0.9, 1.4), (True, True), random)
    assert made.places is not None and len(made.places.points) == len(made.labels)
    for nose, left, right in made.places.points:
        if not (nose[2] and left[2] and right[2]):
            continue
        ahead, aside = nose[:2] - (left[:2] + right[:2]) / 2, right[:2] - left[:2]
        assert ahead[0] * aside[1] - ahead[1] * aside[0] > 0  # right lies clockwise of ahead, as before
        assert abs(int(made.image_rgb[int(nose[1]), int(nose[0]), 0]) - 80) < 30
        assert min(int(made.image_rgb[int(y), int(x), 0]) for x, y, _ in (left, right)) > 110


def one_cell(points: list[list[float]]) -> tuple[torch.Tensor, Assignment]:
    box, owner = torch.tensor([[[10.0, 10, 50, 30]]]), torch.zeros(1, 1, dtype=torch.long)
    return torch.tensor([[points]]), Assignment(torch.tensor([[True]]), box, torch.ones(1, 1, 1), owner)


def test_a_point_near_its_place_costs_minus_the_logarithm_of_cocos_similarity() -> None:
    found, assignment = one_cell([[31.0, 22.0, 9.0], [500.0, 0.0, 9.0]])
    truth = torch.tensor([[[[30.0, 20.0, 2.0], [0.0, 0.0, 0.0]]]])
    places, visible = compute_point_loss(found, assignment, truth, (0.1, 0.1))
    one = np.array([[[31, 22, 2], [0, 0, 2]]], float)
    known = Poses(np.array([[[30, 20, 2], [0, 0, 0]]], float), np.array([[10, 10, 50, 30]], float), np.array([0]))
    evaluation = evaluate_poses(
        [Poses(one, known.boxes_xyxy, known.labels, np.array([0.9]))], [known], ["a"], (0.1, 0.1)
    )
    assert float(places) == pytest.approx(-np.log(float(evaluation.computeOks(0, 0)[0, 0])), rel=1e-4)
    assert float(visible) == pytest.approx(4.5, abs=0.01)  # one is sure and right, the other sure and wrong
    far, _ = compute_point_loss(*one_cell([[330.0, 20.0, 9.0], [0, 0, 0]]), truth, (0.1, 0.1))
    further, _ = compute_point_loss(*one_cell([[630.0, 20.0, 9.0], [0, 0, 0]]), truth, (0.1, 0.1))
    assert float(further) == pytest.approx(2 * float(far), rel=0.01)


def test_precision_of_points_is_pycocotools_and_its_draws_are_too() -> None:
    random = np.random.default_rng(0)
    truth, found = [], []
    for _ in range(6):
        places = random.uniform(10, 90, (3, 4, 2))
        points = np.concatenate([places, random.integers(0, 3, (3, 4, 1))], -1)
        boxes = np.concatenate([places.min(1) - 3, places.max(1) + 3], 1)
        truth.append(Poses(points, boxes, np.zeros(3, int)))
        moved = np.concatenate([places + random.normal(0, 4, places.shape), np.full((3, 4, 1), 2)], -1)
        found.append(Poses(moved, boxes, np.zeros(3, int), random.random(3)))
    sigmas = (0.05,) * 4
    evaluation = evaluate_poses(found, truth, ["a"], sigmas)
    rows = np.array([4, 0, 0, 2, 5])
    again = evaluate_poses([found[row] for row in rows], [truth[row] for row in rows], ["a"], sigmas)
    drawn, value = resample_curves(evaluation)(rows), summarise_poses(read_precision(again))
    assert summarise_poses(drawn) == pytest.approx(value)
    assert 0.02 < value["points_map_50_95"] < 0.98
    perfect = [Poses(one.points, one.boxes_xyxy, one.labels, np.ones(3)) for one in truth]
    assert summarise_poses(read_precision(evaluate_poses(perfect, truth, ["a"], sigmas)))["points_map_50_95"] == 1


def test_a_detector_learns_points_and_a_service_answers_them(tmp_path: Path) -> None:
    config = fish(tmp_path / "data", **SMALL)
    torch.manual_seed(0)
    model, batches = detection.build_model(config), detection.build_data(config).train
    learner, losses = torch.optim.AdamW(model.parameters(), 0.01), []
    for epoch in range(20):
        for batch in batches(epoch):
            loss, parts = detection.compute_loss(model, batch() if callable(batch) else batch, config)
            learner.zero_grad()
            loss.backward()
            learner.step()
            losses.append(float(parts["point_loss"].detach()))
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    told, images = detection.describe(config), detection.example_images(config)
    assert told.outputs == ("boxes", "scores", "points")
    graph = detection.build_graph(model.eval(), config).eval()
    assert export_onnx(graph, images, told, tmp_path / GRAPH_FILE) <= told.tolerance
    answered = Engine(tmp_path / GRAPH_FILE, "cpu", 1).run(images[:1])
    with torch.no_grad():
        wanted = graph(torch.from_numpy(images[:1]))
    for name, one in zip(told.outputs, wanted, strict=True):
        np.testing.assert_allclose(answered[name], one.numpy(), atol=told.tolerance)
    # Twice as large a picture: its points come back in its own pixels.
    manifest = told.preview()
    large = Picture(np.kron(images[0], np.ones((2, 2, 1), np.uint8)), 256, 256)
    canvas, placement = task.prepare(large, manifest)
    outputs = {name: rows[0] for name, rows in Engine(tmp_path / GRAPH_FILE, "cpu", 1).run(canvas[None]).items()}
    found = task.interpret(outputs, placement, large, manifest, task.Options(detection_threshold=0.0, max_detections=1))
    assert [point.name for point in found[0].points] == SMALL["points"]
    row = int(outputs["scores"].max(1).argmax())
    np.testing.assert_allclose(
        [(p.x, p.y, p.score) for p in found[0].points], outputs["points"][row] * [2, 2, 1], atol=1e-3
    )


def test_points_are_measured_as_the_service_answers_them(tmp_path: Path) -> None:
    config = fish(tmp_path / "data", iou_threshold=1.0, **SMALL)  # fish that overlap are all kept
    examples = detection.load_split(config, "validation").examples

    def know(shift: float) -> Any:
        turns = itertools.cycle(examples)

        def predict(images: np.ndarray) -> dict[str, np.ndarray]:
            example = next(turns)
            assert example.places is not None
            points = example.places.points.copy()
            points[..., 0] += shift
            scores = np.full((1, len(points), 1), 0.9, np.float32)
            return {"boxes": example.boxes_xyxy[None], "scores": scores, "points": points[None]}

        return predict

    right = {m.name: m for m in measure_points(know(0.0), config, "validation")}
    assert right["points_map_50_95"].value == 1.0 and right["points_map_50_95"].interval == (1.0, 1.0)
    wrong = {m.name: m.value for m in measure_points(know(30.0), config, "validation")}
    assert wrong["points_map_50"] < 0.1  # some fish lie where another one is looked for
    names = [metric.name for metric in detection.evaluate(know(0.0), config, "validation")][:4]
    assert names == ["points_map_50", "points_map_75", "points_map_50_95", "map_50"]


def test_a_picture_with_wrong_points_is_named(tmp_path: Path) -> None:
    def spoil(change: Any, folder: Path) -> Any:
        config = fish(folder, **SMALL)
        file = folder / "annotations/train.json"
        document = json.loads(file.read_text())
        change(document["annotations"][0])
        file.write_text(json.dumps(document))
        open_archive.cache_clear()
        return config

    for place, (change, words) in enumerate((
        (lambda one: one["keypoints"].__setitem__(0, 900), "points of box 1: a point lies outside"),
        (lambda one: one.__setitem__("keypoints", [1, 2]), "there are 2 numbers"),
    )):  # fmt: skip
        config = spoil(change, tmp_path / str(place))
        with pytest.raises(LabelError, match=words):
            detection.load_split(config, "train")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"points": []}, "name the points that the yolo-points finds"),
        ({"architecture": "yolo", "points": ["head"]}, "leave them out for other networks"),
        ({"points": ["head", "head"]}, "there once"),
        ({"point_sigmas": [0.1]}, "give 4, one for each"),
        ({"augment": {"rotate": 10}}, "moves boxes and no points"),
    ],
)
def test_a_recipe_whose_points_make_no_sense_is_refused(fields: dict[str, Any], words: str) -> None:
    recipe = {"name": "fish", "task": "detection", "epochs": 1, "batch_size": 1, "licence": "none",
              "data": {"format": "coco", "path": "nowhere", "title": "fish"}, "plain_epochs": 0,
              "optimizer": {"name": "adamw", "lr": 0.01}, **SMALL, **fields}  # fmt: skip
    with pytest.raises(Exception, match=words):
        resolve_recipe(recipe, "test")


def test_made_fish_are_the_same_each_time_and_their_points_lie_on_them() -> None:
    first, again = (made_objects.draw(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    for one in first[1]:
        x, y, width, height = one["bbox"]
        assert one["area"] <= width * height
        for a, b, v in np.array(one["keypoints"]).reshape(-1, 3):
            assert v < 2 or (x - 1 <= a <= x + width + 1 and y - 1 <= b <= y + height + 1)
