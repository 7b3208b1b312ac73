"""Answers about the models of a service."""

from dataclasses import dataclass

from convoy.client.answers.answer import Answer
from convoy.client.answers.common import Model, Size, read_model, read_size
from convoy.v1 import models_pb2


@dataclass(frozen=True)
class Metric(Answer):
    """A measured number of a model, on n items, and how; interval: 95 % confidence, None if it has none."""

    name: str
    value: float
    dataset: str
    split: str
    command: str
    interval: tuple[float, float] | None = None
    condition: str = ""
    n: int = 0


@dataclass(frozen=True)
class ModelInfo(Answer):
    """One version of a model; state is AVAILABLE, READY or REFUSED, and then `problem` says why."""

    model: Model
    task: str
    architecture: str
    precision: str
    state: str
    problem: str
    labels: tuple[str, ...]
    input_size: Size
    sha256: str
    metrics: tuple[Metric, ...]
    is_default: bool
    execution_provider: str


def read_model_info(message: models_pb2.ModelInfo) -> ModelInfo:
    """One version of a model."""
    return ModelInfo(
        read_model(message.model),
        message.task,
        message.architecture,
        message.precision,
        models_pb2.ModelState.Name(message.state).removeprefix("MODEL_STATE_"),
        message.problem,
        tuple(message.labels),
        read_size(message.input_size),
        message.sha256,
        tuple(map(_read_metric, message.metrics)),
        message.is_default,
        message.execution_provider,
    )


def _read_metric(one: models_pb2.Metric) -> Metric:
    interval = (one.interval_low, one.interval_high) if one.HasField("interval_low") else None
    return Metric(one.name, one.value, one.dataset, one.split, one.command, interval, one.condition, one.n)
