"""Classification of signals: one label per signal, learnt by cross-entropy, measured by top-1 accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from convoy.classification import task
from convoy.classification.signals import Signal, prepare
from convoy.core.manifest import InputSpec, SignalSpec
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn

from convoy_training import recipe
from convoy_training.data import heartbeats, signals
from convoy_training.data.signals import Split
from convoy_training.data.source import compute_digest, locate
from convoy_training.losses.entropy import compute_entropy
from convoy_training.metrics.accuracy import measure_answers
from convoy_training.models.architecture import find_architecture, named_for
from convoy_training.task import Data, Export, Metric, Predict

AT_ONCE = 250
MADE = "made by a generator, not recorded"


class Source(recipe.Strict):
    """Where the signals come from: the generator of heartbeats, or a file of NumPy's arrays (.npz)."""

    format: Literal["heartbeats", "npz"] = "npz"
    path: str = Field("", description="of the .npz file")
    title: str = Field("signals", description="what the manifest calls it")
    rate_hz: float = Field(heartbeats.RATE_HZ, gt=0, description="samples of each channel in a second")
    unit: str = Field("", description="of the samples, such as mV")
    train: int = Field(4000, ge=8, description="how many heartbeats are made to train with")
    validation: int = Field(2000, ge=8, description="how many are made to measure with")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.format == "npz") != bool(self.path):
            raise ValueError("path: needed for the format npz, and for no other")
        if self.format == "heartbeats" and self.rate_hz != heartbeats.RATE_HZ:
            raise ValueError(f"rate_hz: heartbeats are made at {heartbeats.RATE_HZ:g} Hz")
        return self


class Config(recipe.Config):
    """The fields of a recipe for signals."""

    data: Source
    architecture: Annotated[str, AfterValidator(named_for("signal_classification"))] = "resnet1d"
    widths: recipe.Widths = (12, 16, 16, 24, 32)
    kernel: int = Field(7, gt=0, le=63, description="samples that a convolution sees, odd")
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    gain: recipe.Range = Field((1.0, 1.0), description="training multiplies a signal by a number between these")

    @model_validator(mode="after")
    def _kernel_has_a_middle(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("kernel: must be odd")
        return self


class Batches:
    """Shuffled batches: signals float32 [N,samples,channels] and class ids [N]."""

    def __init__(self, split: Split, config: Config) -> None:
        self.signals, self.labels = torch.from_numpy(split.signals), torch.from_numpy(split.labels)
        self.config = config

    def __len__(self) -> int:
        return len(self.labels) // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        low, high = self.config.gain
        for rows in torch.randperm(len(self.labels)).split(self.config.batch_size)[: len(self)]:
            gains = low + (high - low) * torch.rand(len(rows), 1, 1)
            yield self.signals[rows] * gains, self.labels[rows]


class Graph(nn.Module):
    """float32 [N,1,samples,channels] -> probabilities [N,C]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(normalise(images[:, 0])).softmax(dim=1)


def normalise(samples: Tensor) -> Tensor:
    """[N,samples,channels] -> [N,channels,samples]: each channel of zero mean, each signal of unit deviation."""
    planes = samples.transpose(1, 2)
    planes = planes - planes.mean(2, keepdim=True)
    return planes / (planes.square().mean((1, 2), keepdim=True) + 1e-6).sqrt()


def load_split(config: Config, split: str) -> Split:
    """Reads or makes one split."""
    if config.data.format == "npz":
        return signals.load_split(split, config.data.path)
    return heartbeats.load_split(split, getattr(config.data, split, 0))


def build_model(config: Config) -> nn.Module:
    split = load_split(config, "train")
    architecture = find_architecture(config.architecture)
    return architecture.build_for(config, len(split.classes), lambda: normalise(torch.from_numpy(split.signals[:256])))


def build_data(config: Config) -> Data:
    return Data(Batches(load_split(config, "train"), config), digest_data(config))


def digest_data(config: Config) -> str:
    """The SHA-256 of the file, or what stands for made signals."""
    if config.data.format == "heartbeats":
        return heartbeats.digest((config.data.train, config.data.validation))
    return compute_digest(locate(config.data.path))


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    samples, labels = batch
    logits = model(normalise(samples))
    loss = compute_entropy(logits, labels, smoothing=config.label_smoothing)
    return loss, {"accuracy": (logits.argmax(1) == labels).float().mean()}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model)


def example_images(config: Config, split: str = "validation") -> NDArray[Any]:
    """Signals as the graph takes them, float32 [N,1,samples,channels]."""
    return load_split(config, split).signals[:64, None]


def predict_split(predict: Predict, config: Config, split: str) -> NDArray[np.float32]:
    """Probabilities [N,C] for the signals of a split, prepared as the service prepares them."""
    data, spec = load_split(config, split), describe_signal(config)
    rows = [prepare(Signal(samples, config.data.rate_hz), spec) for samples in data.signals]
    parts: Any = [np.stack(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]
    return np.concatenate([predict(part)["probabilities"] for part in parts])


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    data, manifest = load_split(config, split), describe(config).preview()
    rows = predict_split(predict, config, split)
    first = [task.interpret({"probabilities": row}, manifest)[0].index for row in rows]
    measured = measure_answers(rows, np.array(first), data.labels, data.classes)
    condition = MADE if config.data.format == "heartbeats" else ""
    return [
        Metric(name, one.value, config.data.title, split, one.n, one.interval, condition)
        for name, one in measured.items()
    ]


def describe_signal(config: Config) -> SignalSpec:
    """Which signals the graph takes."""
    _, length, channels = load_split(config, "train").signals.shape
    unit = heartbeats.UNIT if config.data.format == "heartbeats" else config.data.unit
    return SignalSpec(rate_hz=config.data.rate_hz, length=length, channels=channels, unit=unit)


def describe(config: Config) -> Export:
    data, signal = load_split(config, "train"), describe_signal(config)
    manifest = {
        "architecture": config.architecture,
        "input": InputSpec(height=1, width=signal.length, resize="none"),
        "signal": signal,
        "labels": list(data.classes),
    }
    made = f", {MADE}" if config.data.format == "heartbeats" else ""
    return Export(
        outputs=("probabilities",), manifest=manifest, tolerance=1e-4, data_terms=config.licence,
        data=(f"{config.data.title}, {len(data.labels):,} training signals{made}",),
    )  # fmt: skip
