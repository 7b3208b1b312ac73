"""What a task is: the functions that every module in `convoy_training.tasks` has, and what they take and give."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from convoy.core.manifest import Manifest
from convoy.core.manifest import Task as ServiceTask
from numpy.typing import NDArray
from torch import Tensor, nn

from convoy_training.recipe import Config

TASKS = "convoy_training.tasks"
Images = NDArray[np.uint8]
Predict = Callable[[Images], dict[str, NDArray[Any]]]
"""uint8 RGB [N,H,W,3] -> the graph's outputs by name. PyTorch and ONNX Runtime are both behind it."""


class Batches(Protocol):
    """The training split: a length in steps, and an iterator for each epoch.

    Randomness comes from torch's global generator alone: the loop seeds it from (seed, epoch), which is what makes
    a resumed run equal to an unbroken one. A batch may also be a function that makes it: it is called in another
    thread, by the process whose share it is alone, and so draws from a generator of its own.
    """

    def __len__(self) -> int: ...

    def __call__(self, epoch: int) -> Iterator[Any]: ...


def make(batch: Any) -> Any:
    """The batch itself, where it comes as a function that makes it."""
    return batch() if callable(batch) else batch


@dataclass(frozen=True)
class Data:
    """What `fit` trains on: batches and the SHA-256 of the files that they come from.

    find_change: names a file that is no longer what it was at the start, asked after each epoch; None if all are.
    taught_by: whom a student learns from and under which terms. keep_in: is told the run folder before the training,
    so that what is costly to make can be kept there.
    """

    train: Batches
    digest: str
    taught_by: str = ""
    keep_in: Callable[[Path], None] | None = None
    find_change: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Metric:
    """One measured number: `value` of `name` on `n` examples of a dataset's split, restricted to `condition`.

    interval: its 95 % confidence interval.
    """

    name: str
    value: float
    dataset: str
    split: str
    n: int
    interval: tuple[float, float] | None = None
    condition: str = ""


BY_CLASS = ("recall_", "iou_", "ap_50_")
"""How the metrics of single classes begin; what follows is the name of the class."""


def is_error(name: str) -> bool:
    """Whether a metric of this name is better when it is smaller."""
    return not name.startswith(BY_CLASS) and any(part in name for part in ("error", "fnmr", "fmr", "cost"))


class Task(Protocol):
    """The functions that every module in `convoy_training.tasks` has.

    It may have `settle(predict, config)`, which gives the recipe what only a trained network can tell, such as its best
    threshold.
    """

    Config: type[Config]

    def build_model(self, config: Any) -> nn.Module:
        """The trainable network, heads that only training needs included."""

    def build_data(self, config: Any) -> Data:
        """Reads and verifies the training split."""

    def compute_loss(self, model: nn.Module, batch: Any, config: Any) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of one batch, and the parts of it that are worth a curve."""

    def build_graph(self, model: nn.Module, config: Any) -> nn.Module:
        """The serving graph: uint8 RGB [N,H,W,3] -> finished numbers, a tuple in the order of `describe`'s outputs."""

    def example_images(self, config: Any, split: str = "validation") -> Images:
        """A few real images [N,H,W,3] of a split, as the service would hand them to the graph."""

    def evaluate(self, predict: Predict, config: Any, split: str) -> Sequence[Metric]:
        """Measures through the serving code's own pre- and post-processing."""

    def describe(self, config: Any) -> Export:
        """What export and the manifest must know about the graph."""


@dataclass(frozen=True)
class Export:
    """What a task knows about its graph, for export and for the manifest.

    outputs: names in the order in which the graph returns them. manifest: fields of `convoy.core.manifest.Manifest`
    (architecture, input, labels, thresholds, ...). data, data_terms: what it was trained on and who may use the result.
    task: that of the service which answers with the graph, where it is not this one.
    stride: given where H and W are dynamic, a multiple of it. tolerance: allowed difference of ONNX to PyTorch
    (the largest absolute one; for class maps the share of pixels that differ).
    """

    outputs: tuple[str, ...]
    manifest: Mapping[str, Any]
    data: tuple[str, ...] = ()
    data_terms: str = ""
    stride: int | None = None
    tolerance: float = 1e-3
    task: str = ""

    def preview(self) -> Manifest:
        """As much of the manifest as the serving code's pre- and post-processing reads, before there is a graph."""
        task = ServiceTask(self.task) if self.task else None  # the service's code asks only whether it is of faces
        return Manifest.model_construct(**{"task": task, **self.manifest})


def task_names() -> list[str]:
    """The tasks that can be trained, a module each."""
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "tasks")]))


def settle(task: Task, config: Any, predict: Predict) -> Any:
    """The recipe with what only a trained network can tell, for tasks that have such fields."""
    decide = getattr(task, "settle", None)
    return decide(predict, config) if decide else config


def find_task(name: str) -> Task:
    """The module of a task; `name` is one of `task_names`."""
    task: Task = importlib.import_module(f"{TASKS}.{name}")
    return task
