"""Writes the model folder of an import, and reads it back like a service before it goes live."""

from pathlib import Path

from onnx import ModelProto

from convoy.core.errors import AlreadyExists
from convoy.core.manifest import GRAPH_FILE, Manifest, digest, digest_files, load_manifest
from convoy.core.models.engine import Engine
from convoy.core.models.writer import write_version

NO_DIGEST = "0" * 64


def next_version(models: Path, name: str, wanted: int | None) -> int:
    """Choose the version to write: the wanted one, or the highest + 1. Raises AlreadyExists(MODEL_EXISTS)."""
    folders = (models / name).glob("*") if (models / name).is_dir() else ()
    present = {int(folder.name) for folder in folders if folder.name.isdecimal()}
    if wanted in present:
        message = f"{models / name / str(wanted)} exists already; leave --version out to get {max(present) + 1}"
        raise AlreadyExists("MODEL_EXISTS", message, {"model": f"{name}/{wanted}"})
    return wanted if wanted is not None else max(present, default=0) + 1


def publish(models: Path, model: ModelProto, manifest: Manifest) -> Path:
    """Write the model's folder below `models`, and return it. manifest: complete except for its digest.

    Raises FailedPrecondition(BAD_MODEL), AlreadyExists(MODEL_EXISTS), OSError, and then leaves nothing on disk.
    """
    target = models / manifest.name / manifest.version

    def write(folder: Path) -> None:
        (folder / GRAPH_FILE).write_bytes(model.SerializeToString(deterministic=True))
        facts = {"sha256": digest(folder / GRAPH_FILE), "files": digest_files(folder)}
        manifest.model_copy(update=facts).save(folder)
        Engine(folder / GRAPH_FILE, "cpu").check(load_manifest(folder).task)

    try:
        write_version(target, write)
    except FileExistsError:
        if not target.exists():
            raise
        # Somebody else imported the same version in the meantime.
        raise AlreadyExists("MODEL_EXISTS", f"{target} exists already; try again", {"model": str(target)}) from None
    return target
