"""A model to learn from: how a recipe names it, how it is found, and what is said of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convoy.core.errors import ConvoyError
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest, Task, load_manifest
from pydantic import Field

from convoy_training.errors import RecipeError
from convoy_training.recipe import Strict, Weight
from convoy_training.session import open_onnx
from convoy_training.task import Predict

PUBLISHED = Path("exported_models")
"""Where a teacher is looked for that is named and not a folder."""


class Teacher(Strict):
    """Whom a student learns from, and how much of the loss that is."""

    model: str = Field(
        min_length=1, description="a <model>/<version> folder, a <model> folder, or a name in exported_models"
    )
    weight: Weight = Field(1.0, description="of the cosine to the teacher's answer and the relations together")
    relations: Weight = Field(20.0, description="of the squared difference of the similarities within a batch")
    margin: Weight = Field(0.0, description="of the margin loss over the people whose names are known; 0 leaves it out")
    variants: int = Field(
        5, gt=0, description="how often each crop is drawn anew; an epoch is one variant of all crops"
    )
    repeat: int = Field(1, gt=0, description="how many epochs in a row see the same variant, while it is new and later")
    blend: float = Field(0.0, ge=0, le=1, description="share of the crops that are mixed with another person's")
    unlabelled: bool = Field(False, description="faces of WIDER FACE without a name join")


@dataclass(frozen=True)
class OpenTeacher:
    """A teacher that was found, proven by its digest, and fits."""

    manifest: Manifest
    predict: Predict

    def describe(self) -> str:
        """Who taught, by digest, and under which terms, as a sentence for manifests and cards."""
        facts = self.manifest
        return (
            f"Taught by {facts.name}/{facts.version} (SHA-256 {facts.sha256}; {facts.training.recipe}), "
            f"whose terms are: {facts.licence}. The people that the teacher was trained on are not known here: "
            "they may include held-out people, which would flatter every number above"
        )


def open_teacher(wanted: Teacher, task: Task, size_px: int, dimension: int) -> OpenTeacher:
    """The teacher that a recipe names.

    Raises RecipeError where there is none, and where it does another task, takes other crops or gives other vectors.
    """
    folder = find_model(wanted.model)
    try:
        manifest = load_manifest(folder)
    except ConvoyError as error:
        raise RecipeError(f"teacher.model: {error.message}") from None
    if manifest.task is not task:
        raise RecipeError(f"teacher.model: {folder} does {manifest.task}; a student of {task} needs a teacher of it")
    spec = manifest.input
    if (spec.height, spec.width) != (size_px, size_px):
        raise RecipeError(f"teacher.model: {folder} takes {spec.height}x{spec.width} pixels, not {size_px}x{size_px}")
    if manifest.embedding_size != dimension:
        told = f"set architecture.dimension to {manifest.embedding_size}"
        raise RecipeError(f"teacher.model: {folder} gives {manifest.embedding_size} numbers, not {dimension}: {told}")
    return OpenTeacher(manifest, open_onnx(folder / GRAPH_FILE, threads=1))


def find_model(name: str) -> Path:
    """The <model>/<version> folder that is meant: itself, or the newest version. Raises RecipeError."""
    for place in (Path(name), PUBLISHED / name):
        if (place / MANIFEST_FILE).is_file():
            return place.resolve()
        versions = [file.parent for file in place.glob(f"*/{MANIFEST_FILE}") if file.parent.name.isdecimal()]
        if versions:
            return max(versions, key=lambda folder: int(folder.name)).resolve()
    told = (
        f"neither a folder with {MANIFEST_FILE} nor a model in {PUBLISHED}; `convoy model import` brings foreign ones"
    )
    raise RecipeError(f"teacher.model: there is no '{name}': {told}")
