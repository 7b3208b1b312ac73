"""Published weights are started from: the network that comes back answers as the graph does, and goes on learning."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from convoy_training.errors import CheckpointError, RecipeError
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.models.folding import FoldedEmbedder, unfold
from convoy_training.publishing.publication import publish_model
from convoy_training.publishing.quantize import quantize_model
from convoy_training.recipe_file import open_recipe
from convoy_training.runs.loop import build_predict, fit
from convoy_training.runs.recovery import recover
from convoy_training.session import open_onnx
from convoy_training.task import make
from torch import nn

from tests.unit.training.test_loop import changed
from tests.unit.training.tiny_task import CONFIG, TASK

ROOT = Path(__file__).resolve().parents[3]
MODELS = sorted(
    path.parent
    for path in (ROOT / "exported_models").glob("*/*/manifest.json")
    if json.loads(path.read_text())["precision"] == "float32"
    and json.loads(path.read_text())["architecture"] != "kernels"  # made from tables, not trained
)


def build(classes: int = 2, width: int = 4, bias: bool = False) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3, bias=bias), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(),
                         nn.Linear(width * 14 * 14, classes))  # fmt: skip


def first_loss(task: object, config: object, run: Path) -> float:
    losses = []

    def compute_loss(*inputs: object) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, parts = TASK.compute_loss(*inputs)
        losses.append(loss.item())
        return loss, parts

    fit(changed(**{**vars(task), "compute_loss": compute_loss}), config, run)
    return losses[-4]  # of the one epoch's four steps; before them, statistics are measured


@pytest.mark.usefixtures("no_page")
@pytest.mark.parametrize("bias", [False, True], ids=["a convolution without bias", "with bias"])
def test_a_published_model_is_trained_further(bias: bool, tmp_path: Path) -> None:
    task = changed(build_model=lambda config: build(bias=bias))
    trained = fit(task, CONFIG.model_copy(update={"epochs": 12}), tmp_path / "run")
    folder = publish_model(task, CONFIG, trained, tmp_path)
    images = np.random.default_rng(5).integers(0, 256, (9, 16, 16, 3)).astype(np.uint8)
    model = build(bias=bias)
    recover(task, CONFIG, model, folder, task.build_data(CONFIG).train)
    answers = build_predict(task, CONFIG, model)(images)["probabilities"]
    np.testing.assert_allclose(answers, open_onnx(folder / "model.onnx")(images)["probabilities"], atol=1e-5)
    assert model[1].running_var.std() > 0  # measured, not the stand-in of one for all channels
    one = CONFIG.model_copy(update={"epochs": 1})
    fresh = first_loss(task, one, tmp_path / "fresh")
    assert first_loss(task, one.model_copy(update={"start_from": folder}), tmp_path / "started") < 0.5 * fresh
    smaller = quantize_model(task, CONFIG, folder)
    with pytest.raises(RecipeError, match=r"tiny-int8/1 is int8; start from the float32 model"):
        fit(task, CONFIG.model_copy(update={"start_from": smaller}), tmp_path / "smaller")
    for other in (build(width=5), nn.Sequential(*build(bias=bias), nn.BatchNorm1d(2))):
        with pytest.raises(CheckpointError, match="is of another architecture"):
            recover(task, CONFIG, other, folder, task.build_data(CONFIG).train)
    more = build(classes=3, bias=bias)
    before = more[4].weight.clone()
    recover(task, CONFIG, more, folder, task.build_data(CONFIG).train)
    assert torch.equal(more[4].weight, before) and torch.equal(more[0].weight, model[0].weight)


def test_a_folded_embedder_is_unfolded() -> None:
    torch.manual_seed(0)
    embedder, other = (FaceEmbedder(8, 32, (4, 6, 8), (1, 2)).eval() for _ in range(2))
    for norm in embedder.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
                values.uniform_(0.5, 1.5)
    faces = torch.randint(0, 256, (3, 112, 112, 3), dtype=torch.uint8)
    norms = unfold(FoldedEmbedder(embedder), other)
    assert len(norms) == sum(isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d) for m in other.modules())
    with torch.no_grad():
        assert (embedder(faces) - other(faces)).abs().max() < 1e-5


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_published_network_comes_back(folder: Path) -> None:
    task, config = open_recipe(folder)
    config = config.model_copy(update={"batch_size": min(config.batch_size, 64)})
    if getattr(config, "teacher", None):  # a foreign network, which the repository does not carry
        config = config.model_copy(update={"teacher": None})
    torch.manual_seed(0)
    fresh, model = task.build_model(config), task.build_model(config)
    batches = task.build_data(config).train
    recover(task, config, model, folder, batches)
    images, expected = task.example_images(config)[:4], open_onnx(folder / "model.onnx")
    answers = build_predict(task, config, model)(images)
    for name, values in expected(images).items():
        if np.issubdtype(values.dtype, np.integer):
            assert np.mean(values != answers[name]) <= task.describe(config).tolerance
        else:
            assert np.abs(values - answers[name]).max() <= task.describe(config).tolerance
    if config.task != "face_embedding":  # whose margin softmax has nobody's centre yet
        batch = make(next(iter(batches(0))))
        with torch.no_grad():
            new, known = (task.compute_loss(net.train(), batch, config)[0] for net in (fresh, model))
        # An untrained network that mends pictures gives them back, which is not far from the truth.
        mends = config.task == "picture_to_picture"
        assert known < ((0.95 if config.degrade.kind == "jpeg" else 0.8) if mends else 0.6) * new
