"""Takes a foreign graph into the model repository: wraps it as its inspection says, proves it, publishes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto

from convoy.core.manifest import Manifest, Task
from convoy.importing.adapters.adapter import Adapter, Reading
from convoy.importing.assembly import join
from convoy.importing.batch import open_batch, run_one_by_one
from convoy.importing.bench import BATCH, Bench
from convoy.importing.comparison import Difference
from convoy.importing.draft import default_name, draft_manifest
from convoy.importing.inspection import Inspection
from convoy.importing.network import bad_network
from convoy.importing.pictures import random_images
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof, open_engine, prove_form, run
from convoy.importing.publication import next_version, publish
from convoy.importing.request import read_preprocessing
from convoy.importing.sketch import Sketch
from convoy.importing.survey import check_guess
from convoy.importing.tiling import complete_tiles, tell_tiles

RE_EXPORT = (
    "export it again with a dynamic batch, or give --one-by-one to run the pictures of a batch one after another "
    "inside the graph"
)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model that is proven but not yet written. notes: what the import concluded, for people to check."""

    models: Path
    model: ModelProto
    manifest: Manifest
    adapter: str
    preprocessing: Preprocessing
    notes: tuple[str, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Imported:
    """A model that was written."""

    folder: Path
    manifest: Manifest
    adapter: str
    preprocessing: Preprocessing
    notes: tuple[str, ...]
    differences: tuple[Difference, ...]


def import_model(inspection: Inspection) -> Imported:
    """Wrap the graph, prove that the result keeps the contract, and write the model's folder.

    Raises what `prepare` and `write` raise, and then leaves nothing on disk.
    """
    return write(prepare(inspection))


def prepare(inspection: Inspection) -> Prepared:
    """Wrap the graph and prove the result.

    Raises InvalidArgument (BAD_NETWORK, UNKNOWN_LAYOUT, BAD_ARGUMENT), AlreadyExists(MODEL_EXISTS).
    """
    request = inspection.request
    adapter, reading = inspection.choose()
    name = request.name or default_name(request.network)
    version = next_version(request.models, name, request.version)
    preprocessing = read_preprocessing(request, adapter, inspection.network)
    # Draft the manifest before the long work, so that a wrong option is reported at once.
    draft = draft_manifest(inspection, adapter, preprocessing, name, version)
    if draft.picture is not None:
        draft = complete_tiles(draft, inspection, adapter, reading, preprocessing)
    notes = (*_opened(inspection), *reading.notes, *check_guess(inspection), *tell_tiles(draft))
    model, differences = wrap(inspection, adapter, reading, preprocessing)
    manifest = _complete(draft, inspection, model, differences)
    return Prepared(request.models, model, manifest, adapter.name, preprocessing, notes, differences)


def write(prepared: Prepared) -> Imported:
    """Write the model's folder. Raises AlreadyExists(MODEL_EXISTS), OSError, and then leaves nothing on disk."""
    folder = publish(prepared.models, prepared.model, prepared.manifest)
    facts = (prepared.adapter, prepared.preprocessing, prepared.notes, prepared.differences)
    return Imported(folder, prepared.manifest, *facts)


def _opened(inspection: Inspection) -> tuple[str, ...]:
    """Note that the import freed the lengths that a file declares."""
    if isinstance(inspection.network.plain, Path):
        return ()
    return ("it consists only of convolutions, so the import ignores the batch and the size that it declares",)


def wrap(
    inspection: Inspection, adapter: Adapter, reading: Reading, preprocessing: Preprocessing
) -> tuple[ModelProto, tuple[Difference, ...]]:
    """Make the graph that keeps the contract; also return its differences from the original file.

    Raises InvalidArgument(BAD_NETWORK).
    """
    request, network = inspection.request, inspection.network
    bench = Bench(inspection, adapter, reading, preprocessing)

    def back(sketch: Sketch, values: Mapping[str, str]) -> dict[str, str]:
        return adapter.draw(sketch, [values[name] for name in reading.outputs], reading)

    try:
        alone = join(network, network.model, preprocessing, inspection.frame.fixed, back)
        bench.try_single(open_engine(alone))
    except Disproof as disproof:
        raise bad_network(request.network, f"wrapped with the adapter {adapter.name}, {disproof}") from None
    try:
        if request.one_by_one:
            model = run_one_by_one(alone, request.task)
        else:
            model = join(network, open_batch(network), preprocessing, inspection.frame.fixed, back)
        prove_form(model)
        differences = bench.try_batches(open_engine(model))
    except Disproof as disproof:
        raise bad_network(
            request.network, f"it cannot take several pictures at once ({disproof}); {RE_EXPORT}"
        ) from None
    return model, differences


def _complete(
    draft: Manifest, inspection: Inspection, model: ModelProto, differences: tuple[Difference, ...]
) -> Manifest:
    """Add the proof's results to the draft."""
    sizes = 1 if inspection.frame.fixed else 2
    worst = max(differences, key=lambda one: one.largest / one.bound if one.bound else one.largest)
    export = draft.export.model_copy(
        update={"max_abs_difference": worst.largest, "tolerance": worst.bound, "images_compared": BATCH * sizes}
    )
    draft = draft.model_copy(update={"export": export})
    if draft.task is not Task.FACE_EMBEDDING:
        return draft
    assert inspection.frame.fixed is not None
    embeddings = run(open_engine(model), random_images(1, *inspection.frame.fixed))["embeddings"]
    return draft.model_copy(update={"embedding_size": embeddings.shape[1]})
