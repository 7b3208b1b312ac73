"""The way of a foreign graph into the model repository: wrap it as its inspection says, prove it, publish it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto
from pydantic import ValidationError

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Export, Manifest, Task, Thresholds, Training, digest
from convoy.importing.adapters.adapter import Adapter, Reading
from convoy.importing.assembly import join
from convoy.importing.batch import open_batch, run_one_by_one
from convoy.importing.comparison import Difference, Reference, compare, largest
from convoy.importing.inspection import Inspection
from convoy.importing.network import bad_network
from convoy.importing.pictures import random_images, trials
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof, open_engine, prove_batch, prove_contract, prove_form, run
from convoy.importing.publication import NO_DIGEST, next_version, publish
from convoy.importing.request import Request, read_preprocessing, retell
from convoy.importing.sketch import Sketch

RE_EXPORT = (
    "export it again with a dynamic batch, or give --one-by-one to run the pictures of a batch one after another "
    "inside the graph"
)


@dataclass(frozen=True)
class Imported:
    """A model that was written. notes: what was concluded rather than said."""

    folder: Path
    manifest: Manifest
    adapter: str
    preprocessing: Preprocessing
    notes: tuple[str, ...]
    differences: tuple[Difference, ...]


def import_model(inspection: Inspection) -> Imported:
    """Wrap the graph, prove that the result keeps the contract, and write the model's folder.

    Raises InvalidArgument (BAD_NETWORK, UNKNOWN_LAYOUT, BAD_ARGUMENT), AlreadyExists(MODEL_EXISTS); then nothing of it
    stays on disk.
    """
    request = inspection.request
    adapter, reading = inspection.choose()
    name = request.name or default_name(request.network)
    version = next_version(request.models, name, request.version)
    preprocessing = read_preprocessing(request, adapter, inspection.network)
    # Drafted before the long work, so that a bad word is told at once.
    draft = _draft(inspection, adapter, preprocessing, name, version)
    model, differences = wrap(inspection, adapter, reading, preprocessing)
    manifest = _complete(draft, inspection, model, differences)
    folder = publish(request.models, model, manifest)
    return Imported(folder, manifest, adapter.name, preprocessing, reading.notes, differences)


def wrap(
    inspection: Inspection, adapter: Adapter, reading: Reading, preprocessing: Preprocessing
) -> tuple[ModelProto, tuple[Difference, ...]]:
    """The graph that keeps the contract, and how far it is from the foreign file on random pixels and a photograph.

    Raises InvalidArgument(BAD_NETWORK).
    """
    request, network, frame = inspection.request, inspection.network, inspection.frame
    sizes = frame.sizes(adapter.stride)
    reference = Reference(inspection.original, adapter, reading, preprocessing)
    spec = frame.spec(request, adapter)

    def back(sketch: Sketch, values: Mapping[str, str]) -> dict[str, str]:
        return adapter.draw(sketch, [values[name] for name in reading.outputs], reading)

    try:
        alone = join(network, network.model, preprocessing, frame.fixed, back)
        single = open_engine(alone)
        prove_contract(single, request.task, len(inspection.labels), sizes)
        answers = [
            [(trial.image_rgb, reference.answer(trial.image_rgb)) for trial in trials(*size, spec)] for size in sizes
        ]
        for one in (answer for of_size in answers for answer in of_size):
            compare(single, [one], request.task, network.precision)
    except Disproof as disproof:
        raise bad_network(request.network, f"wrapped with the adapter {adapter.name}, {disproof}") from None
    try:
        if request.one_by_one:
            model = run_one_by_one(alone, request.task)
        else:
            model = join(network, open_batch(network), preprocessing, frame.fixed, back)
        prove_form(model)
        batched = open_engine(model)
        prove_batch(single, batched, request.task, network.precision, sizes)
        differences = [one for of_size in answers for one in compare(batched, of_size, request.task, network.precision)]
    except Disproof as disproof:
        raise bad_network(
            request.network, f"it cannot take several pictures at once ({disproof}); {RE_EXPORT}"
        ) from None
    return model, largest(differences)


def default_name(file: Path) -> str:
    """A model's name from its file's: lower case, with other characters than letters, digits, "._-" as "-"."""
    return re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("._-")[:64] or "model"


def _draft(inspection: Inspection, adapter: Adapter, preprocessing: Preprocessing, name: str, version: int) -> Manifest:
    request, network = inspection.request, inspection.network
    facts = {
        "name": name,
        "version": str(version),
        "task": request.task,
        "architecture": network.file.stem,
        "precision": network.precision,
        "sha256": NO_DIGEST,
        "input": inspection.frame.spec(request, adapter),
        "labels": inspection.labels,
        "embedding_size": 1 if request.task is Task.FACE_EMBEDDING else None,
        "thresholds": Thresholds.model_construct(
            detection=request.detection_threshold,
            iou=adapter.iou if request.iou_threshold is None else request.iou_threshold,
            match=request.match_threshold,
        ).model_dump(),
        "parameters": network.parameters,
        "licence": request.licence,
        "training": _origin(request, adapter, preprocessing),
        "export": Export(opset=network.opset),
    }
    try:
        return Manifest.model_validate(facts)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "model"
        raise InvalidArgument("BAD_ARGUMENT", f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _origin(request: Request, adapter: Adapter, preprocessing: Preprocessing) -> Training:
    file = f"{request.network.name}, SHA-256 {digest(request.network)}"
    return Training(
        recipe=f"{request.source or 'foreign graph'} ({file})",
        command=retell(request, adapter.name, preprocessing),
        data=[],
        data_terms="not stated; the licence is the one that was named at import",
    )


def _complete(
    draft: Manifest, inspection: Inspection, model: ModelProto, differences: tuple[Difference, ...]
) -> Manifest:
    """The draft with what the proof showed."""
    compared = 2 if inspection.frame.fixed else 4
    worst = max(differences, key=lambda one: one.largest / one.bound if one.bound else one.largest)
    export = draft.export.model_copy(
        update={"max_abs_difference": worst.largest, "tolerance": worst.bound, "images_compared": compared}
    )
    draft = draft.model_copy(update={"export": export})
    if draft.task is not Task.FACE_EMBEDDING:
        return draft
    assert inspection.frame.fixed is not None
    embeddings = run(open_engine(model), random_images(1, *inspection.frame.fixed))["embeddings"]
    return draft.model_copy(update={"embedding_size": embeddings.shape[1]})
