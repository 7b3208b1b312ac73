"""An ensemble in one graph says what the single networks say together, and a graph with crops what crops say."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from convoy.core.manifest import load_manifest
from convoy_training.errors import RecipeError
from convoy_training.evaluation import Subject, average_crops, ensemble
from convoy_training.origin import ENVIRONMENT
from convoy_training.publishing.ensemble import Member, Together, merge, publish_ensemble
from convoy_training.runs.loop import build_predict
from convoy_training.session import open_onnx
from convoy_training.tasks import classification

from tests.unit.training.tiny_task import CONFIG, TASK

pytestmark = pytest.mark.usefixtures("no_page")


def member(seed: int, config: object = CONFIG) -> Member:
    torch.manual_seed(seed)
    return Member(Path(f"run{seed}"), TASK, config, TASK.build_model(CONFIG).eval())


def test_a_published_ensemble_gives_the_mean_of_its_members(tmp_path: Path) -> None:
    members = [replace(member(seed), run=tmp_path / f"run{seed}") for seed in (1, 2, 3)]
    for one in members:
        one.run.mkdir()
        (one.run / ENVIRONMENT).write_text('{"recipe": "tiny.yaml", "command": "convoy-train fit tiny.yaml"}')
    folder = publish_ensemble(members, tmp_path, CONFIG.model_copy(update={"name": "three"}))
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    alone = [build_predict(TASK, CONFIG, one.model)(images)["probabilities"] for one in members]
    assert np.ptp(alone, axis=0).max() > 0.02, "the members are all alike"
    answer = open_onnx(folder / "model.onnx")(images)["probabilities"]
    np.testing.assert_allclose(answer, np.mean(alone, 0), atol=1e-5)
    manifest = load_manifest(folder)
    assert manifest.name == "three" and manifest.training.command.endswith("run3 --ensemble")
    assert manifest.multiply_adds == 3 * (14 * 14 * 4 * 27 + 4 * 14 * 14 * 2)


@pytest.mark.parametrize("name", ["probabilities", "embeddings", "class_map", "scores"])
def test_the_graph_merges_as_evaluation_does(name: str) -> None:
    random = np.random.default_rng(4)
    shape = (2, 6, 5)
    answers = [random.integers(0, 3, shape).astype(np.uint8) for _ in range(4)]
    if name != "class_map":
        answers = [random.normal(size=(2, 5)).astype(np.float32) for _ in range(4)]
    subjects = [
        Subject(
            Path(name),
            SimpleNamespace(describe=lambda config: SimpleNamespace(manifest={})),  # type: ignore[arg-type]
            SimpleNamespace(task=""),
            lambda images, one=one: {name: one},  # type: ignore[misc]
        )
        for one in answers
    ]
    expected = ensemble(subjects).predict(np.zeros((1, 1, 1, 3), np.uint8))[name]
    np.testing.assert_allclose(merge(name, [torch.from_numpy(one) for one in answers]).numpy(), expected, rtol=1e-5)


def test_graphs_with_several_outputs_are_merged_one_by_one() -> None:
    class Boxes(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.zeros(1, 3, 4), torch.ones(1, 3, 2)

    boxes, scores = Together([Boxes(), Boxes()], ["boxes", "scores"])(torch.zeros(1))
    assert boxes.shape == (1, 6, 4) and scores.shape == (1, 6, 2)


def test_what_is_no_ensemble_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="several runs"):
        publish_ensemble([member(1)], tmp_path, CONFIG)
    other = SimpleNamespace(describe=lambda config: SimpleNamespace(outputs=("class_map",), manifest={}))
    with pytest.raises(RecipeError, match="their inputs or outputs differ"):
        publish_ensemble([member(1), Member(Path("b"), other, CONFIG, torch.nn.Identity())], tmp_path, CONFIG)  # type: ignore[arg-type]


@pytest.mark.parametrize("crops", [5, 10])
def test_a_graph_with_crops_answers_as_crops_do(crops: int) -> None:
    fields = {
        "name": "crops", "task": "classification", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1},
        "architecture": "nin", "crops": crops,
    }  # fmt: skip
    config = classification.Config(**fields)
    torch.manual_seed(0)
    model = classification.find_architecture("nin").build(10).eval()
    plain = config.model_copy(update={"crops": 1})
    single = Subject(Path("x"), classification, plain, build_predict(classification, plain, model))
    images = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    expected = average_crops(single, crops).predict(images)["probabilities"]
    answer = build_predict(classification, config, model)(images)["probabilities"]
    # OpenCV rounds enlarged pixels to whole numbers; the graph does not.
    np.testing.assert_allclose(answer, expected, atol=2e-3)
    middle = build_predict(classification, plain, model)(images)["probabilities"]
    assert np.abs(middle - expected).max() > 10 * np.abs(answer - expected).max()
