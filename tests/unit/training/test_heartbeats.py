"""Made heartbeats, the network in one dimension, and the published model beside simpler ones."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from convoy.core.manifest import Task, load_manifest
from convoy_training.data import heartbeats, signals
from convoy_training.errors import LabelError, TrainingError
from convoy_training.models.resnet1d import ResNet1d
from convoy_training.recipe_file import load_recipe
from convoy_training.runs.recovery import restore_norms
from convoy_training.tasks import signal_classification
from scipy.signal import find_peaks
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "training" / "recipes" / "heartbeats.yaml"
PUBLISHED = ROOT / "exported_models" / "heartbeats" / "1"


def test_the_same_seed_makes_the_same_signals_and_the_splits_differ() -> None:
    train, validation = heartbeats.load_split("train", 16), heartbeats.load_split("validation", 16)
    assert train.signals.shape == (16, 1000, 1) and train.signals.dtype == np.float32
    assert np.bincount(train.labels).tolist() == [4, 4, 4, 4]
    again = heartbeats.make("irregular", np.random.default_rng((1, 1)))
    assert (again.astype(np.float32) == train.signals[1, :, 0]).all()
    assert not {one.tobytes() for one in train.signals} & {one.tobytes() for one in validation.signals}
    with pytest.raises(TrainingError, match="heartbeats have train and validation"):
        heartbeats.load_split("test", 16)


def beat_gaps_s(kind: str, seed: int) -> np.ndarray:
    """Seconds between beats, as SciPy finds them."""
    signal = heartbeats.make(kind, np.random.default_rng((9, seed)))
    peaks, _ = find_peaks(np.abs(signal - np.median(signal)), height=0.55 * np.ptp(signal) / 1.3, distance=25)
    return np.diff(peaks) / heartbeats.RATE_HZ


def test_an_irregular_rhythm_is_irregular() -> None:
    spreads = {
        kind: np.median([gaps.std() / gaps.mean() for seed in range(40) if len(gaps := beat_gaps_s(kind, seed)) > 4])
        for kind in ("normal", "irregular")
    }
    assert spreads["normal"] < 0.1 < 0.18 < spreads["irregular"]


def test_the_published_model_answers_as_the_network_does() -> None:
    """ONNX Runtime, called directly, beside PyTorch with the weights of the graph."""
    _, config = load_recipe(RECIPE)
    data = heartbeats.load_split("validation", 64)
    session = onnxruntime.InferenceSession(PUBLISHED / "model.onnx", providers=["CPUExecutionProvider"])
    [answers] = session.run(["probabilities"], {"images": data.signals[:, None]})
    network = ResNet1d(4, config.widths, config.kernel, 1).eval()
    graph = signal_classification.Graph(network)
    load_graph_weights(graph, PUBLISHED / "model.onnx")
    with torch.inference_mode():
        expected = graph(torch.from_numpy(data.signals[:, None])).numpy()
    assert np.abs(answers - expected).max() < 1e-4


def load_graph_weights(graph: signal_classification.Graph, file: Path) -> None:
    """The graph holds convolutions with the normalisations folded in; PyTorch gets the latter as plain shifts."""
    import onnx
    from onnx import numpy_helper

    weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(file).graph.initializer}
    restore_norms(graph, weights, heartbeats.load_split("validation", 64).signals[:1, None])
    own = graph.state_dict()
    learnt = {name for name in own if not name.endswith("num_batches_tracked")}
    assert learnt <= set(weights), learnt - set(weights)
    graph.load_state_dict({name: weights[name] for name in learnt}, strict=False)


def test_the_published_model_is_better_than_what_looks_at_samples() -> None:
    """Of raw samples, neighbours and a linear model learn nearly nothing: beats come at any moment."""
    manifest = load_manifest(PUBLISHED)
    metrics = {one.name: one for one in manifest.metrics}
    assert manifest.task is Task.SIGNAL_CLASSIFICATION and manifest.signal is not None
    assert all(one.interval and one.condition == signal_classification.MADE for one in manifest.metrics)
    train, validation = heartbeats.load_split("train", 800), heartbeats.load_split("validation", 400)
    session = onnxruntime.InferenceSession(PUBLISHED / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"images": validation.signals[:, None]})[0].argmax(1)
    right = float((found == validation.labels).mean())
    assert abs(right - metrics["top1_accuracy"].value) < 0.04
    rows, others = (split.signals[..., 0] for split in (train, validation))
    for model in (KNeighborsClassifier(1), LogisticRegression(max_iter=100)):
        assert model.fit(rows, train.labels).score(others, validation.labels) < right - 0.3


def test_signals_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    arrays = {
        "train_signals": np.zeros((4, 30, 2)),
        "train_labels": np.array(["b", "a", "b", "a"]),
        "validation_signals": np.zeros((2, 30, 2)),
        "validation_labels": np.array(["a", "b"]),
    }
    np.savez(file, **arrays)
    split = signals.load_split("train", str(file))
    assert split.classes == ("a", "b") and split.labels.tolist() == [1, 0, 1, 0] and split.signals.shape == (4, 30, 2)
    for name, changed, words in (
        ("train_signals", np.full((4, 30, 2), np.nan), "signal 1 of train_signals has a sample that is no finite"),
        ("validation_signals", np.zeros((2, 31, 2)), "differ in length"),
        ("validation_labels", np.array(["a", "c"]), "has 'c', which train_labels lacks"),
        ("validation_labels", np.array(["a"]), r"shapes \[2, 30, 2\] and \[1\]"),
    ):
        other = tmp_path / f"{name}{words[:3]}.npz"
        np.savez(other, **(arrays | {name: changed}))
        with pytest.raises(LabelError, match=words):
            signals.load_split("validation", str(other))


def test_recipe_fields_that_do_not_fit_are_refused() -> None:
    fields = {"name": "n", "task": "signal_classification", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1}}
    for data, words in (
        ({"format": "npz"}, "path: needed for the format npz"),
        ({"format": "heartbeats", "rate_hz": 50}, "heartbeats are made at 100 Hz"),
    ):
        with pytest.raises(ValueError, match=words):
            signal_classification.Config.model_validate({**fields, "data": data})
    with pytest.raises(ValueError, match="kernel: must be odd"):
        signal_classification.Config.model_validate({**fields, "data": {"format": "heartbeats"}, "kernel": 4})
