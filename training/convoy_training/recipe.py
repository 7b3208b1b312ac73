"""The fields of a recipe: what every YAML file in `training/recipes` may say. Each task adds its own fields."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from convoy.core.manifest import NAME, VERSION
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _in_order(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("write the smaller number first")
    return ends


Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
"""How much a part of the loss counts; 0 leaves it out."""
Range = Annotated[tuple[Positive, Positive], AfterValidator(_in_order)]
"""Two ends to draw between, the smaller first."""
_Share = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[tuple[_Share, _Share], AfterValidator(_in_order)]
"""A `Range` within 1."""
Counts = tuple[Annotated[int, Field(gt=0)], ...]
"""Layers of each stage."""
Widths = Annotated[Counts, Field(min_length=1)]
"""Channels of each stage."""
Network = dict[str, float]
NETWORK = (
    "numbers of the architecture, {width: 0.5}: width, depth, dropout, batch_norm, large_kernel, as far as it has them"
)
"""What the field `network` says."""
WINDOW = "of deep grey, {level: 40, width: 400}: the values that become black to white; none for all of them"
"""What the field `window` of several tasks says."""


class Strict(BaseModel):
    """A group of fields. An unknown name is an error, and so are infinity and NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Optimizer(Strict):
    """How the weights move: SGD, AdamW or Muon, linear warm-up, cosine to `final_lr_fraction`."""

    name: Literal["sgd", "adamw", "muon"] = "sgd"
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
    accumulate: int = Field(1, gt=0, description="batches whose gradients are added up before the weights move")
    optimizer: Optimizer
    ema_decay: float | None = Field(
        None, gt=0, lt=1, description="averages the weights that are published; lower at the start"
    )
    precision: Precision = Field(
        "32-true", description="bf16-mixed is several times faster on GPUs and on CPUs with AMX or AVX512-BF16"
    )
    init: Path | None = Field(
        None,
        description="weights to start from: a .pth or .safetensors file, torchvision's or timm's; or catalogue:NAME",
    )
    start_from: Path | None = Field(
        None,
        description="a run, or a published <model>/<version>, of the same architecture whose weights to start from",
    )
    loggers: list[Literal["csv", "tensorboard", "mlflow", "wandb"]] = Field(
        ["csv", "tensorboard"], description="what writes the curves of a run; mlflow and wandb are extras"
    )
    trainable: list[str] = Field([], description="the parts to train, such as [fc] or [layer4, fc]; empty = all")
    validate_every: int = Field(0, ge=0, description="epochs between validations; 0 = only after the last")
    validate_share: float = Field(
        0.0, ge=0, lt=1, description="of the time that validations may take: one follows an epoch when they fit into it"
    )
    publish: Literal["best", "last"] = Field(
        "best", description="the epoch to publish: the best of those validated, by the first metric, or the last"
    )
    patience: int = Field(
        0,
        ge=0,
        description="stop after so many epochs without a better validation; 0 = never",
    )

    @model_validator(mode="after")
    def _patience_sees(self) -> Self:
        if self.patience and not self.validates_between:
            told = "set validate_every or validate_share too, since only a validation shows what is better"
            raise ValueError(f"patience: {told}")
        if self.validate_every and self.validate_share:
            raise ValueError("validate_every, validate_share: give one of them, not both")
        return self

    @property
    def validates_between(self) -> bool:
        """Whether there are validations before the last epoch's."""
        return bool(self.validate_every or self.validate_share)

    @model_validator(mode="after")
    def _start_is_one(self) -> Self:
        if self.init and self.start_from:
            raise ValueError("init, start_from: give one of them, not both")
        return self
