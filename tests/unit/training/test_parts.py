"""The architectures that no published model has learn from real pictures, by their recipes, in seconds to a minute."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from convoy.core.manifest import load_manifest
from convoy_training.augment.window import Window, cut_window
from convoy_training.data import identities
from convoy_training.data.boxes import Example, Split
from convoy_training.data.photo import Photo
from convoy_training.errors import ExportError, RecipeError
from convoy_training.metrics.landmarks import measure_errors
from convoy_training.metrics.localisation import Answer, judge
from convoy_training.publishing.publication import publish_model
from convoy_training.recipe_file import load_recipe, resolve_recipe
from convoy_training.runs.loop import build_predict, fit, read_metrics
from convoy_training.session import open_onnx
from convoy_training.structures import Scene
from convoy_training.tasks import face_verification, localisation

SECONDS = ("ema_decay=null", "validate_every=0")


def train(root: Path, run: Path, name: str, *overrides: str) -> tuple[Any, Any, Any, Mapping[str, float]]:
    """Recipe, its numbers, the network and what it reaches on the validation split."""
    task, config = load_recipe(root / f"training/recipes/{name}.yaml", overrides)
    model = fit(task, config, run)
    return task, config, model, {metric.name: metric.value for metric in read_metrics(run)}


@pytest.mark.data
@pytest.mark.slow
def test_a_sliding_window_finds_cells(root: Path, tmp_path: Path) -> None:
    changes = ("epochs=2", "input_size=160", "pyramid=[2.0,1.0]", "optimizer.lr=0.004")
    task, config, model, reached = train(root, tmp_path / "run", "bccd-sliding-window", *changes, *SECONDS)
    assert reached["ap_50_RBC"] > 0.2
    folder = publish_model(task, config, model, tmp_path)
    assert load_manifest(folder).task == "detection"


@pytest.mark.data
@pytest.mark.slow
def test_one_cell_is_localised_and_served_as_a_detection(root: Path, tmp_path: Path) -> None:
    changes = ("epochs=5", "repeats=2", "optimizer.lr=0.004")
    task, config, model, reached = train(root, tmp_path / "run", "bccd-localiser", *changes, *SECONDS)
    assert reached["localisation_accuracy"] > 0.5  # saying that there is nothing gets 0.3
    folder = publish_model(task, config, model, tmp_path)
    manifest = load_manifest(folder)
    assert (manifest.task, manifest.labels) == ("detection", ["WBC", "Platelets"])
    assert open_onnx(folder / "model.onnx")(task.example_images(config)[:3])["boxes"].shape == (3, 1, 4)


@pytest.mark.data
@pytest.mark.slow
def test_landmarks_are_found_on_strangers(root: Path, tmp_path: Path) -> None:
    changes = ("epochs=3", "samples_per_epoch=2048", "validation_windows=200")
    task, config, model, reached = train(root, tmp_path / "run", "face-landmarks", *changes, *SECONDS)
    assert reached["median_landmark_error_by_eye_distance"] < 0.4 and reached["face_accuracy"] > 0.85
    with pytest.raises(ExportError, match="no service does the task 'face_landmarks'"):
        publish_model(task, config, model, tmp_path)


@pytest.mark.data
@pytest.mark.slow
def test_a_head_on_embeddings_knows_strangers_apart(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    faces, pairs = identities.load_pairs("lfw")
    rows = np.arange(len(pairs.same))[::20]
    some = identities.Pairs(pairs.first[rows], pairs.second[rows], pairs.same[rows], pairs.fold[rows])
    monkeypatch.setattr(face_verification.identities, "load_pairs", lambda dataset: (faces, some))
    changes = ("people=120", "different_images=2", "epochs=6", "batch_size=128")
    task, config, model, reached = train(root, tmp_path / "run", "face-verification", *changes)
    assert reached["lfw_accuracy_at_one_half"] > 0.8
    pictures = face_verification.show_pairs()[:8]
    turned = np.concatenate([pictures[:, :, 112:], pictures[:, :, :112]], axis=2)
    predict = build_predict(task, config, model)
    np.testing.assert_allclose(predict(pictures)["same"], predict(turned)["same"], atol=1e-4)


def test_a_window_has_one_whole_object_or_none() -> None:
    boxes = np.array([[10, 10, 20, 30], [60, 50, 90, 70], [64, 10, 70, 16]], np.float32)
    image = np.zeros((80, 100, 3), np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes.astype(int), 1):
        image[y0:y1, x0:x1] = number
    scene, random = Scene(image, boxes, np.array([0, 1, 2])), np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        window = cut_window(scene, 40, True, random)
        assert window is not None and window.image_rgb.shape == (40, 40, 3)
        window = window.flip((True, True), random)
        seen.add(window.label)
        x0, y0, x1, y1 = (window.box_xyxy * 40).round().astype(int)
        shown = np.zeros((40, 40), int)
        shown[y0:y1, x0:x1] = window.label + 1
        assert np.array_equal(window.image_rgb[..., 0], shown)
        empty = cut_window(scene, 25, False, random)
        assert empty is not None and not empty.image_rgb.any() and empty.label is None
    assert seen == {0, 1, 2}
    nothing = Scene(image, boxes[:0], np.zeros(0, np.int64))
    assert cut_window(nothing, 40, True, random) is None


def test_what_is_sought_is_renumbered_and_the_rest_is_background() -> None:
    photo, boxes = Photo({}, "a.jpg", 9, 9), np.array([[0, 0, 1, 1], [1, 1, 2, 2], [2, 2, 3, 3.0]])
    example = Example(photo, boxes, np.array([0, 2, 1]))
    kept = Split([example], ("RBC", "WBC", "Platelets")).keep(["Platelets", "WBC"])
    assert kept.classes == ("Platelets", "WBC") and kept.examples[0].labels.tolist() == [0, 1]
    assert kept.examples[0].boxes_xyxy[:, 0].tolist() == [1, 2]


def test_an_answer_is_right_in_all_it_says() -> None:
    window = Window(np.zeros((100, 100, 3), np.uint8), np.array([0.1, 0.1, 0.5, 0.5]), 1)
    box = np.array([10.0, 10, 50, 50])
    assert judge(window, Answer(box, 1)).localisation and judge(window, Answer(box, 1)).overlap == pytest.approx(1.0)
    assert not judge(window, Answer(box, 0)).localisation and judge(window, Answer(box, 0)).presence
    assert not judge(window, Answer(box + np.array([0, 0, 60, 60]), 1)).localisation
    assert not judge(window, Answer(np.zeros(4), None)).presence
    empty = Window(window.image_rgb, np.zeros(4), None)
    assert judge(empty, Answer(np.zeros(4), None)).localisation and not judge(empty, Answer(box, 1)).localisation


def test_the_windows_of_a_photograph_are_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    box = np.array([0.1, 0.1, 0.5, 0.5])
    windows = [Window(np.zeros((100, 100, 3), np.uint8), box, 0)] * 40
    answers = [Answer(box * 100, 0) if photograph < 2 else Answer(box, None) for photograph in range(4)]
    monkeypatch.setattr(localisation, "draw_windows", lambda config, split: windows)
    monkeypatch.setattr(localisation, "localise", lambda *args: [answer for answer in answers for _ in range(10)])
    config = SimpleNamespace(repeats=10, data=SimpleNamespace(title="t"))
    for metric in localisation.evaluate(lambda images: {}, config, "validation"):  # type: ignore[arg-type]
        # Four photographs are all right once in sixteen draws; forty windows by themselves would never be.
        assert (metric.value, metric.interval, metric.n) == (0.5, (0.0, 1.0), 40), metric.name


def test_landmark_errors_by_hand() -> None:
    truth = np.array([[[0, 0], [10, 0], [5, 5], [2, 8], [8, 8]], [[0, 0], [0, 0], [5, 5], [2, 8], [8, 8]]], float)
    found = truth + np.array([3, 4])
    assert measure_errors(found, truth).tolist() == [0.5]  # five pixels off, eyes ten apart; no eyes, no answer
    truth[0, 4] = np.nan
    assert measure_errors(found, truth).tolist() == [0.5]


@pytest.mark.data
def test_only_classifiers_classify() -> None:
    fields = {"name": "c", "task": "classification", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1}}
    with pytest.raises(RecipeError, match="no architecture 'yolo' for classification"):
        resolve_recipe({**fields, "architecture": "yolo"}, "test")
