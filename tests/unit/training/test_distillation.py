"""Students of a published model: what the teacher says pulls the answer, and a teacher that does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from convoy.core.manifest import InputSpec, Manifest, Task
from convoy.testing.tiny_models import write_model
from convoy_training.distillation import OpenTeacher, compare_cells, compare_labels, compare_maps, open_teacher
from convoy_training.errors import RecipeError
from torch.nn import functional


def teacher(spec: InputSpec, columns: list[int], **outputs: np.ndarray) -> tuple[OpenTeacher, list[np.ndarray]]:
    seen: list[np.ndarray] = []

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(images)
        return outputs

    manifest = Manifest.model_construct(name="master", input=spec)
    return OpenTeacher(manifest, predict, np.array(columns)), seen


def test_a_classifier_learns_softened_answers_of_the_classes_that_it_has() -> None:
    told = np.array([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]], np.float32)
    master, seen = teacher(InputSpec(height=8, width=8, resize="stretch"), [2, 0], probabilities=told)
    logits = torch.zeros(2, 2, requires_grad=True)
    loss = compare_labels(logits, torch.full((2, 4, 4, 3), 99.6), master, temperature=2.0)
    assert seen[0].shape == (2, 8, 8, 3) and (seen[0] == 100).all() and seen[0].dtype == np.uint8
    kept = torch.from_numpy(told[:, [2, 0]]) ** 0.5
    soft = kept / kept.sum(1, keepdim=True)
    torch.testing.assert_close(loss, 4 * functional.kl_div(torch.full((2, 2), 0.5).log(), soft, reduction="batchmean"))
    loss.backward()
    assert logits.grad[0, 1] < 0 < logits.grad[0, 0]  # towards the teacher's first class
    same = compare_labels(torch.from_numpy(told[:, [2, 0]]).log(), torch.zeros(2, 8, 8, 3), master, 1.0)
    assert same.item() == pytest.approx(0, abs=1e-6)


def test_a_detector_learns_cell_by_cell() -> None:
    scores, boxes = np.zeros((1, 4, 2), np.float32), np.zeros((1, 4, 4), np.float32)
    scores[0, 1, 0], boxes[0, 1] = 0.9, (2, 2, 10, 10)
    master, _ = teacher(InputSpec(stride=32, long_side=64, resize="letterbox"), [1, 0], scores=scores, boxes=boxes)
    logits, places = torch.zeros(1, 4, 2, requires_grad=True), torch.zeros(1, 4, 4, requires_grad=True)
    images = torch.zeros(1, 32, 32, 3)
    compare_cells(logits, places, images, master).backward()
    assert logits.grad[0, 1, 1] < 0 and (logits.grad[0, [0, 2, 3]] > 0).all()  # class 0 of the teacher is our 1
    assert (places.grad[0, 1] < 0).all() and (places.grad[0, [0, 2, 3]] == 0).all()
    right = torch.logit(torch.from_numpy(scores[..., [1, 0]]).clamp(1e-6, 1 - 1e-6))
    assert compare_cells(right, torch.from_numpy(boxes), images, master).item() < 1e-4
    with pytest.raises(RecipeError, match="master answers with 4 cells, the student with 5"):
        compare_cells(torch.zeros(1, 5, 2), torch.zeros(1, 5, 4), images, master)


def test_a_segmenter_learns_where_nobody_has_labelled() -> None:
    told = np.array([[[0, 1], [2, 1]]], np.uint8)
    master, _ = teacher(InputSpec(stride=2, long_side=8, resize="letterbox"), [1, 0], class_map=told)
    logits = torch.zeros(1, 2, 2, 2, requires_grad=True)
    loss = compare_maps(logits, torch.zeros(1, 2, 2, 3), master, ignore=255)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))
    assert logits.grad[0, 1, 0, 0] < 0 and logits.grad[0, 0, 0, 1] < 0 and (logits.grad[0, :, 1, 0] == 0).all()
    nothing, _ = teacher(InputSpec(stride=2, long_side=8, resize="letterbox"), [1, 0], class_map=np.full_like(told, 9))
    assert compare_maps(logits, torch.zeros(1, 2, 2, 3), nothing, ignore=255).item() == 0


def test_a_teacher_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path, "finder", Task.DETECTION)
    master = open_teacher(str(folder), "detection", ("dark", "bright"))
    assert [master.manifest.labels[i] for i in master.columns] == ["dark", "bright"]
    assert "Taught by finder/1 (SHA-256 " in master.describe()
    with pytest.raises(RecipeError, match="does detection; a student of classification needs a teacher of it"):
        open_teacher(str(folder), "classification", ("dark",))
    with pytest.raises(RecipeError, match="does not know the class 'car'; it knows"):
        open_teacher(str(folder), "detection", ("car",))
    with pytest.raises(RecipeError, match="there is no 'nobody'"):
        open_teacher("nobody", "detection", ())
