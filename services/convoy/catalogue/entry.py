"""One entry of the catalogue: a model and everything that you need to pull it, or a set of models."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from convoy.core.manifest import NAME, Calibration, Task

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ModelName = Annotated[str, Field(pattern=NAME)]
Words = Annotated[str, Field(min_length=1)]
Service = Literal["classification", "detection", "segmentation", "face_detector", "face_embedder", "imaging"]
MOST_BYTES = 2**30


class Part(BaseModel):
    """Base of every part of an entry. It refuses unknown keys, so that you notice a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Licences(Part):
    """Licences of the code, the weights and the training data, as far as they are known.

    permissive: whether you may use code and weights for any purpose, with attribution as the only condition. If it is
    false, `convoy model pull` asks you to accept the terms first.
    """

    code: Words
    weights: Words
    data: Words
    permissive: bool


class File(Part):
    """The foreign file: name, digest, size in bytes, and its addresses, in the order in which to try them."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    sha256: Sha256
    bytes: int = Field(ge=1, le=MOST_BYTES)
    addresses: Annotated[tuple[Words, ...], Field(min_length=1)]


class Golden(Part):
    """The mean and maximum of each output that the wrapped graph gives for the bundled picture (see golden.py).

    tolerance: largest allowed difference, relative to 1 + |number|, since processors round differently.
    """

    mean: dict[str, float]
    maximum: dict[str, float]
    tolerance: float = Field(default=1e-3, gt=0)


class Entry(Part):
    """A model that can be pulled.

    labels: the labels themselves, the name of a bundled list, or a path relative to the entry. options: the options
    with which `convoy model import` reads this file, with underscores in their names. architecture: for a file that
    holds only weights, the architecture of `convoy-train zoo` that they belong to. golden: None if nobody had the file
    when the entry was written; `convoy model catalogue --check` prints it. calibration: of a face embedder, as
    `convoy-train calibrate` measured it; None if nobody did.
    """

    name: ModelName
    task: Task
    title: Words
    accuracy: Words
    source: Words
    paper: str = ""
    note: str = ""
    licences: Licences
    file: File
    labels: tuple[Words, ...] | str | None = None
    options: dict[str, Any] = {}
    architecture: str = ""
    golden: Golden | None = None
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _labels_are_where_they_are_needed(self) -> "Entry":
        needs = self.task in (Task.CLASSIFICATION, Task.DETECTION, Task.SEGMENTATION)
        if needs and not self.labels:
            raise ValueError(f"labels: a model for {self.task} needs them")
        if not needs and self.labels:
            raise ValueError(f"labels: a model for {self.task} must not have them")
        if self.calibration is not None and self.task is not Task.FACE_EMBEDDING:
            raise ValueError(f"calibration: a model for {self.task} must not have one")
        return self

    @property
    def lacks_calibration(self) -> bool:
        """Whether it is a face embedder of which nobody measured what its similarities mean."""
        return self.task is Task.FACE_EMBEDDING and self.calibration is None


class ModelSet(Part):
    """Models that work together: for each service, the entry that it uses by default."""

    name: ModelName
    title: Words
    models: dict[Service, ModelName]
