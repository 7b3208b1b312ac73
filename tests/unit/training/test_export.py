import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from convoy.core.manifest import digest, load_manifest
from convoy_training import evaluation
from convoy_training.cli import app
from convoy_training.errors import ExportError, RecipeError, TrainingError
from convoy_training.models.unet import UNet
from convoy_training.models.unet_original import OriginalUNet
from convoy_training.models.yolo import Yolo
from convoy_training.publishing import comparison, recording
from convoy_training.publishing.card import describe_model, show_chart, write_table
from convoy_training.publishing.comparison import find_forms
from convoy_training.publishing.export import export_onnx
from convoy_training.publishing.publication import publish_model, record_metrics
from convoy_training.publishing.quantize import quantize_model
from convoy_training.publishing.recording import remember
from convoy_training.report.charts import draw_bars
from convoy_training.report.page import Section
from convoy_training.runs.loop import build_predict, fit
from convoy_training.session import open_onnx
from convoy_training.task import Export, Metric, Predict
from convoy_training.tasks import detection, segmentation
from torch import nn
from typer.testing import CliRunner

from tests.unit.training.tiny_task import CONFIG, TASK

pytestmark = pytest.mark.usefixtures("no_page")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)


def test_a_published_model_says_what_pytorch_says(tmp_path: Path) -> None:
    model = TASK.build_model(CONFIG)
    folder = publish_model(TASK, CONFIG, model, tmp_path)
    manifest = load_manifest(folder)
    images = noise(5, 16, 16)
    expected = build_predict(TASK, CONFIG, model)(images)["probabilities"]
    np.testing.assert_allclose(open_onnx(folder / "model.onnx")(images)["probabilities"], expected, atol=1e-6)
    assert manifest.export.images_compared == 8 and manifest.metrics[0].n == 64
    assert manifest.multiply_adds == 14 * 14 * 4 * 27 + 4 * 14 * 14 * 2
    assert "top1_accuracy" in (folder / "README.md").read_text()
    assert "[tiny/1](tiny/1/)" in write_table(tmp_path).read_text()


def test_another_model_does_not_take_the_place_of_a_published_one_unasked(tmp_path: Path) -> None:
    one, other = TASK.build_model(CONFIG), TASK.build_model(CONFIG)
    folder = publish_model(TASK, CONFIG, one, tmp_path)
    first = load_manifest(folder).sha256
    assert load_manifest(publish_model(TASK, CONFIG, one, tmp_path)).sha256 == first
    with pytest.raises(ExportError, match=r"tiny/1 is already published with other weights: .*--set version=2"):
        publish_model(TASK, CONFIG, other, tmp_path)
    assert load_manifest(folder).sha256 == first and [path.name for path in folder.parent.iterdir()] == ["1"]
    beside = publish_model(TASK, CONFIG.model_copy(update={"version": "2"}), other, tmp_path)
    assert load_manifest(beside).sha256 != first
    publish_model(TASK, CONFIG, other, tmp_path, replace=True)
    assert load_manifest(folder).sha256 == load_manifest(beside).sha256


@pytest.mark.parametrize("name", ["", "gone"])
def test_a_table_of_no_models_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(TrainingError, match="is not a folder of models"):
        write_table(tmp_path / name)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_published_model_is_measured_again_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = publish_model(TASK, CONFIG, TASK.build_model(CONFIG), tmp_path / "models")
    published, card = load_manifest(folder), (folder / "README.md").read_text()
    stale = published.model_copy(deep=True)
    stale.metrics[0].value, stale.metrics[0].name = -1.0, "gone"
    stale.save(folder)
    asked: list[np.ndarray] = []

    def count(predict: Predict) -> Predict:
        return remember(lambda images: asked.append(images) or predict(images))  # type: ignore[func-returns-value]

    monkeypatch.setattr(recording, "remember", count)
    monkeypatch.setattr(evaluation, "open_recipe", lambda folder, assignments=(): (TASK, CONFIG))
    chart = draw_bars(["left", "right"], [0.5, 0.7], "share")
    # Looks at the split as a task's own page does.
    monkeypatch.setattr(evaluation, "review", lambda predict, config, split: [
        Section("Halves", "", [chart], card=f"{len(TASK.evaluate(predict, config, split))} number: long is good.")
    ])  # fmt: skip
    done = CliRunner().invoke(app, ["evaluate", str(folder), "--record"])
    assert done.exit_code == 0, done.output
    assert load_manifest(folder) == published  # all but the numbers stays, and they are as they were
    assert len(asked) == 1
    text = (folder / "README.md").read_text()
    assert text.startswith(card[: card.index("## Pictures")]) and "![Halves](halves.svg)" in text
    assert "1 number: long is good." in text and "<svg" in (folder / "report.html").read_text()


@pytest.mark.parametrize("further", [["--split", "train"], ["--ensemble"], ["--crops", "5"], ["--report", "r.html"]])
def test_only_what_a_manifest_holds_is_recorded(tmp_path: Path, further: list[str]) -> None:
    (tmp_path / "recipe.yaml").write_text("name: tiny")
    with pytest.raises(RecipeError, match="is not a published model"):
        recording.record(tmp_path)
    refused = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--record", *further])
    assert isinstance(refused.exception, RecipeError) and "one model" in str(refused.exception)


def test_a_manifest_holds_four_digits_and_nothing_undefined() -> None:
    measured = [
        Metric("a", 0.123456, "d", "s", 9, (0.1000049, 0.1999951), "c"),
        Metric("b", float("nan"), "d", "s", 9),
        Metric("c", 0.5, "d", "s", 9),
    ]
    recorded = record_metrics(measured, "again")
    assert [(m.name, m.value, m.interval) for m in recorded] == [("a", 0.1235, (0.1, 0.2)), ("c", 0.5, None)]


MODELS = sorted(
    path.parent
    for path in Path("exported_models").glob("*/*/manifest.json")
    if json.loads(path.read_text())["architecture"] != "kernels"  # made from tables, not trained
)


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_published_card_has_intervals_and_pictures(folder: Path) -> None:
    for metric in load_manifest(folder).metrics:
        assert metric.interval and metric.interval[0] <= metric.value <= metric.interval[1], metric.name
        assert metric.interval == (round(metric.interval[0], 4), round(metric.interval[1], 4))
    charts, card = sorted(folder.glob("*.svg")), (folder / "README.md").read_text()
    assert charts and all(show_chart(chart) in card and chart.stat().st_size < 60_000 for chart in charts)


@pytest.mark.parametrize(("trained", "told"), [("epoch 8 of 16", True), ("16 epochs", False), ("", False)])
def test_a_card_says_that_a_run_was_cut(trained: str, told: bool) -> None:
    manifest = load_manifest(Path("exported_models/digits-lenet/1"))
    training = manifest.training.model_copy(update={"trained": trained})
    card = describe_model(manifest.model_copy(update={"training": training}), "")
    assert ("The run was cut: this is epoch 8 of 16." in card) is told


def test_the_same_weights_give_the_same_digest(tmp_path: Path) -> None:
    model, export = TASK.build_model(CONFIG), TASK.describe(CONFIG)
    for name in ("a.onnx", "b.onnx"):
        export_onnx(TASK.build_graph(model, CONFIG), TASK.example_images(CONFIG), export, tmp_path / name)
    assert digest(tmp_path / "a.onnx") == digest(tmp_path / "b.onnx")


def test_a_graph_that_differs_is_not_published(tmp_path: Path) -> None:
    strict = TASK.describe(CONFIG)
    impossible = Export(strict.outputs, strict.manifest, tolerance=-1.0)
    with pytest.raises(ExportError, match="differs from PyTorch"):
        export_onnx(
            TASK.build_graph(TASK.build_model(CONFIG), CONFIG), noise(2, 16, 16), impossible, tmp_path / "m.onnx"
        )


def test_smaller_forms_keep_the_answers_and_are_shown_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    model = fit(TASK, CONFIG, tmp_path / "run")
    folder = publish_model(TASK, CONFIG, model, tmp_path / "models")
    quantised = quantize_model(TASK, CONFIG, folder)
    manifest = load_manifest(quantised)
    assert (manifest.name, manifest.precision) == ("tiny-int8", "int8")
    assert manifest.metrics[0].value >= load_manifest(folder).metrics[0].value - 0.05
    kinds = {node.op_type for node in onnx.load(str(quantised / "model.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    images = noise(4, 16, 16)
    exact, rough = (open_onnx(f / "model.onnx")(images)["probabilities"] for f in (folder, quantised))
    assert 0 < np.abs(exact - rough).max() < 0.1
    halved = quantize_model(TASK, CONFIG, folder, "float16")
    manifest = load_manifest(halved)
    assert (manifest.name, manifest.precision) == ("tiny-fp16", "float16")
    half = open_onnx(halved / "model.onnx")(images)["probabilities"]
    assert half.dtype == np.float32 and np.abs(exact - half).max() < 5e-3
    stored = {tensor.data_type for tensor in onnx.load(str(halved / "model.onnx")).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in stored
    with pytest.raises(ExportError, match=r"tiny-int8/1 is already a smaller form \(int8\)"):
        quantize_model(TASK, CONFIG, quantised)
    forms = find_forms(folder)
    assert forms == [folder, quantised.resolve(), halved.resolve()]
    monkeypatch.setattr(comparison, "open_recipe", lambda folder: (TASK, CONFIG))
    comparison.print_comparison(forms)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("float32", "int8", "float16", "top1_accuracy", " ms"))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["detection", "segmentation", "membranes"])
def test_a_dynamic_graph_takes_any_batch_and_size(task: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    graph: nn.Module
    if task == "detection":
        graph, outputs = detection.Graph(Yolo(3, (8, 8, 8, 8, 8), (1, 1, 1, 1), 8)), ("boxes", "scores")
    elif task == "membranes":
        net = OriginalUNet(2, (4, 8, 8, 8, 8), padded=True, normalised=True)
        graph, outputs = segmentation.Graph(net), ("class_map",)
    else:
        graph, outputs = segmentation.Graph(UNet(4, (4, 4, 8, 8, 8), (1, 1, 1, 1))), ("class_map",)
    file = tmp_path / "model.onnx"
    export_onnx(graph, noise(2, 64, 96), Export(outputs, {}, stride=32, tolerance=2e-3), file)
    onnx.checker.check_model(str(file))
    for images in (noise(1, 32, 128), noise(3, 96, 64)):
        actual = open_onnx(file)(images)
        with torch.inference_mode():
            expected = graph(torch.from_numpy(images))
        expected = expected if isinstance(expected, tuple) else (expected,)
        for name, tensor in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(actual[name], tensor.numpy(), rtol=1e-4, atol=2e-3)
