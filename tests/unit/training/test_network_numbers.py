"""The block `network` of a recipe reaches the network, or says what the network takes."""

import pytest
import torch
from convoy_training.cli import app
from convoy_training.errors import RecipeError
from convoy_training.models.architecture import find_architecture
from convoy_training.publishing import fitting
from convoy_training.publishing.fitting import find_fitting, read_time_ms
from convoy_training.session import open_onnx
from convoy_training.tasks import classification
from pydantic import ValidationError
from torch import nn
from typer.testing import CliRunner


def build(architecture: str, **network: float) -> nn.Module:
    fields = {"name": "n", "task": "classification", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1}}
    config = classification.Config(**fields, architecture=architecture, network=network)
    with torch.device("meta"):
        return find_architecture(config.architecture).build_for(config, 10, lambda: None)


def count(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters())


@pytest.mark.parametrize(
    ("architecture", "network"),
    [
        ("mobilenet-v1", {"width": 0.5}),
        ("cifar-resnet20", {"depth": 32}),
        ("vgg11", {"batch_norm": True}),
        ("googlenet", {"large_kernel": 5}),
    ],
)
def test_numbers_reach_the_network(architecture: str, network: dict[str, float]) -> None:
    assert count(build(architecture, **network)) != count(build(architecture))


def test_dropout_reaches_the_network() -> None:
    dropouts = [one.p for one in build("alexnet", dropout=0.1).modules() if isinstance(one, nn.Dropout)]
    assert dropouts == [0.1, 0.1]


@pytest.mark.parametrize(
    ("architecture", "network", "told"),
    [
        ("lenet", {"width": 2}, "lenet has no such number; it takes none of them"),
        ("vgg11", {"width": 2}, "vgg11 has no such number; it takes depth, dropout, batch_norm"),
        ("cifar-resnet20", {"depth": 21}, "cannot be built with these numbers"),
        ("vgg11", {"kernel": 3}, "vgg11 has no such number"),
        ("whitened-resnet", {"depth": 3}, "it takes none of them"),
    ],
)
def test_what_the_network_does_not_have_is_refused(architecture: str, network: dict[str, float], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        build(architecture, **network)


def test_a_time_is_read() -> None:
    assert [read_time_ms(text) for text in ("5ms", "0.5 s", "5", ".25ms")] == [5, 500, 5, 0.25]
    for text in ("fast", "0ms", "-1ms", "5 minutes"):
        with pytest.raises(RecipeError, match="write a time"):
            read_time_ms(text)


def test_what_fits_was_measured_and_what_cannot_fit_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [find_architecture(name) for name in ("lenet", "cifar-resnet20", "vgg16")]
    monkeypatch.setattr(fitting, "list_architectures", lambda task: kept)
    times = {"lenet": 0.0001, "cifar-resnet20": 0.02}

    def measured(pixels: dict) -> dict:
        for folder, one in pixels.items():
            assert len(open_onnx(folder / "model.onnx", threads=1)(one)["logits"]) == 1
        return {folder: times[folder.name] for folder in pixels}

    monkeypatch.setattr(fitting, "measure_times_s", measured)
    assert [one.name for one in find_fitting(5)] == ["lenet"]
    assert [one.name for one in find_fitting(50)] == ["cifar-resnet20", "lenet"]


def test_a_name_and_a_time_are_too_much() -> None:
    done = CliRunner().invoke(app, ["zoo", "lenet", "--within", "5ms"])
    assert isinstance(done.exception, RecipeError)
