"""A recipe: a YAML file (every number of a training run) and a module (what to do with it).

The module `convoy_training.tasks.<task>` has the functions of `Recipe`; the YAML file is its `Config`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

import numpy as np
import yaml
from convoy.core.manifest import MANIFEST_FILE, NAME, VERSION, Manifest, load_manifest
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn

from convoy_training.errors import RecipeError, TrainingError

TASKS = "convoy_training.tasks"
Images = NDArray[np.uint8]
Predict = Callable[[Images], dict[str, NDArray[Any]]]
"""uint8 RGB [N,H,W,3] -> the graph's outputs by name. PyTorch and ONNX Runtime are both behind it."""


def _in_order(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("the smaller first")
    return ends


Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
"""Of a part of the loss; 0 leaves it out."""
Range = Annotated[tuple[Positive, Positive], AfterValidator(_in_order)]
"""What is drawn between, e.g. scales: the smaller first."""
_Share = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[tuple[_Share, _Share], AfterValidator(_in_order)]
"""A `Range` within 1."""
Counts = tuple[Annotated[int, Field(gt=0)], ...]
"""Layers of each stage."""
Widths = Annotated[Counts, Field(min_length=1)]
"""Channels of each stage."""


class Strict(BaseModel):
    """A group of fields in which a misspelt name is an error, and so is what is no number."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Optimizer(Strict):
    """How the weights move: SGD or AdamW, linear warm-up, cosine to `final_lr_fraction`."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = Field(True, description="of SGD with momentum; false: as AlexNet, VGG and ResNet were trained")
    weight_decay: float = Field(5e-4, ge=0)
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    final_lr_fraction: float = Field(0.0, ge=0, le=1)
    clip_norm: float | None = Field(None, gt=0)


class Config(Strict):
    """The fields that every recipe has; each task adds its own."""

    name: str = Field(pattern=NAME, coerce_numbers_to_str=True)
    version: str = Field("1", pattern=VERSION, coerce_numbers_to_str=True)
    task: str
    licence: str = "research use only"
    seed: int = Field(0, ge=0)
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    optimizer: Optimizer
    ema_decay: float | None = Field(None, gt=0, lt=1, description="of the published weights; lower at the start")
    precision: Precision = Field(
        "32-true", description="bf16-mixed is several times faster on GPUs and on CPUs with AMX or AVX512-BF16"
    )
    init: Path | None = Field(None, description="a state dict to start from, e.g. one published for torchvision")
    start_from: Path | None = Field(
        None,
        description="a run, or a published <model>/<version>, of the same architecture whose weights to start from",
    )
    trainable: list[str] = Field([], description="parts to train, e.g. [fc] or [layer4, fc]; empty = all")
    validate_every: int = Field(0, ge=0, description="epochs between validations; 0 = only after the last")

    @model_validator(mode="after")
    def _start_is_one(self) -> Self:
        if self.init and self.start_from:
            raise ValueError("init, start_from: a network starts from one of them")
        return self


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

    taught_by: whom a student learns from and under which terms. keep_in: is told the run folder before the training,
    so that what is costly to make can be kept there.
    """

    train: Batches
    digest: str
    taught_by: str = ""
    keep_in: Callable[[Path], None] | None = None


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


class Recipe(Protocol):
    """The functions of every module in `convoy_training.tasks`."""

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
    """What a recipe knows about its graph, for export and for the manifest.

    outputs: names in the order in which the graph returns them. manifest: fields of `convoy.core.manifest.Manifest`
    (architecture, input, labels, thresholds, ...). data, data_terms: what it was trained on and who may use the result.
    task: that of the service which answers with the graph, where it is not the recipe's.
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
        return Manifest.model_construct(**self.manifest)


FILES = ("exclude", "init")
"""Fields of recipes that name a file."""
RECIPE_FILE = "recipe.yaml"
"""The resolved recipe in a run folder and in a published <model>/<version> folder."""


def load_recipe(file: Path, overrides: Iterable[str] = ()) -> tuple[Recipe, Config]:
    """Reads a YAML recipe, applies `dotted.name=value` overrides (values are YAML) and validates every field."""
    fields = read_fields(file)
    _find_beside(fields, file)
    for override in overrides:
        _override(fields, override)
    return resolve_recipe(fields, str(file))


def open_recipe(folder: Path, overrides: Iterable[str] = ()) -> tuple[Recipe, Config]:
    """The recipe that made a run or a published model, with some fields set otherwise."""
    if (folder / RECIPE_FILE).exists():
        return load_recipe(folder / RECIPE_FILE, overrides)
    if (folder / MANIFEST_FILE).exists():
        told = f"put the recipe there that names its task, its data and its network as {RECIPE_FILE}"
        raise TrainingError(f"{folder} has no {RECIPE_FILE}, as models have that were not exported here: {told}")
    raise TrainingError(f"{folder} is neither a run folder nor a published model: it has no {RECIPE_FILE}")


def load_published(folder: Path) -> Manifest:
    """The manifest of a published model, which a run has not yet."""
    if (folder / RECIPE_FILE).exists() and not (folder / MANIFEST_FILE).exists():
        raise TrainingError(f"{folder} is a run: publish it first by `convoy-train export {folder}`")
    return load_manifest(folder)


def write_recipe(config: Config, folder: Path) -> None:
    """Leaves every field in the folder, paths as they were given."""
    (folder / RECIPE_FILE).write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


class OnceLoader(yaml.SafeLoader):
    """YAML whose fields are given once, as its standard says; PyYAML takes the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in names:
                told = f"the field '{key.value}' is given twice"
                raise yaml.constructor.ConstructorError(None, None, told, key.start_mark)
            names.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_fields(file: Path) -> dict[str, Any]:
    """The fields of a YAML recipe, not yet validated."""
    try:
        fields = yaml.load(file.read_text("utf-8"), OnceLoader)
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: a recipe is UTF-8 text") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{file}: is not YAML: {error}") from error
    if not isinstance(fields, dict):
        raise RecipeError(f"{file}: a recipe is a mapping of fields")
    return fields


def task_names() -> list[str]:
    """The tasks that can be trained, a module each."""
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "tasks")]))


def resolve_recipe(fields: Mapping[str, Any], origin: str) -> tuple[Recipe, Config]:
    """Finds the task's module and validates the fields with its `Config`."""
    task, tasks = fields.get("task"), task_names()
    if task not in tasks:
        problem = "task: Field required" if task is None else f"no recipe for the task '{task}'"
        raise RecipeError(f"{origin}: {problem}; there are {', '.join(tasks)}")
    recipe: Recipe = importlib.import_module(f"{TASKS}.{task}")
    try:
        return recipe, recipe.Config.model_validate(fields)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {'; '.join(map(_explain, error.errors()))}") from error


def _explain(problem: Mapping[str, Any]) -> str:
    """One of pydantic's problems in our words; that of several fields together names them itself."""
    told = "there is no such field" if problem["type"] == "extra_forbidden" else problem["msg"]
    return ": ".join(filter(None, (".".join(map(str, problem["loc"])), told.removeprefix("Value error, "))))


def _find_beside(fields: dict[str, Any], file: Path) -> None:
    """Files that a recipe names lie beside it; those that do not are looked for from the working folder."""
    for name in FILES:
        if fields.get(name) and (beside := file.parent / str(fields[name])).exists():
            fields[name] = str(beside)


def _override(fields: dict[str, Any], override: str) -> None:
    path, separator, value = override.partition("=")
    if not separator:
        raise RecipeError(f"--set {override}: write it as name=value")
    *groups, last = path.split(".")
    try:
        for group in groups:
            fields = fields.setdefault(group, {})
        fields[last] = yaml.safe_load(value)
    except (AttributeError, TypeError) as error:
        raise RecipeError(f"--set {override}: {'.'.join(groups)} is no group of fields") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: the value is not YAML: {error}") from error
