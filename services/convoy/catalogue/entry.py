"""One entry of the catalogue: a model and everything that is needed to bring it in, or a set of models."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from convoy.core.manifest import NAME, Task

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ModelName = Annotated[str, Field(pattern=NAME)]
Words = Annotated[str, Field(min_length=1)]
Service = Literal["classification", "detection", "segmentation", "face_detector", "face_embedder"]
MOST_BYTES = 2**30


class Part(BaseModel):
    """Base of every part of an entry: an unknown key is an error, so that a misspelt one cannot pass."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Licences(Part):
    """Terms, by what they cover; `data` says what is known of the pictures that the weights were trained on.

    permissive: whether code and weights may be used for any purpose without further conditions than attribution. Where
    it is false, `convoy model pull` asks you to accept the terms first.
    """

    code: Words
    weights: Words
    data: Words
    permissive: bool


class File(Part):
    """The foreign file: name, digest, size in bytes, and where it is published; the first address is tried first."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    sha256: Sha256
    bytes: int = Field(ge=1, le=MOST_BYTES)
    addresses: Annotated[tuple[Words, ...], Field(min_length=1)]


class Golden(Part):
    """What the wrapped graph answers on a bundled photograph (see golden.py): for each output its mean and maximum.

    tolerance: how far an answer may lie from these numbers, relative to 1 + |number|; processors differ in rounding.
    """

    mean: dict[str, float]
    maximum: dict[str, float]
    tolerance: float = Field(default=1e-3, gt=0)


class Entry(Part):
    """A model that can be pulled.

    labels: class names, the name of a bundled list, or a path beside the entry. options: the options of `convoy model
    import` that read this file right, by their names with underscores. golden: None where the file could not be had
    when the entry was written; `convoy model catalogue --check` fills it in.
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
    golden: Golden | None = None

    @model_validator(mode="after")
    def _labels_are_where_they_are_needed(self) -> "Entry":
        needs = self.task not in (Task.FACE_DETECTION, Task.FACE_EMBEDDING)
        if needs and not self.labels:
            raise ValueError(f"labels: a model of {self.task} has class names")
        if not needs and self.labels:
            raise ValueError(f"labels: a model of {self.task} has none")
        return self


class ModelSet(Part):
    """Models that are useful together: for each service the entry that it uses by default."""

    name: ModelName
    title: Words
    models: dict[Service, ModelName]
