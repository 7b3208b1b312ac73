"""Drafts the manifest of an imported model before its proof, from what user, network and adapter say."""

import re
from pathlib import Path

from pydantic import ValidationError

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Export, Manifest, Task, Thresholds, Training, digest, outside_files
from convoy.importing.adapters.adapter import Adapter, Reading
from convoy.importing.inspection import Inspection
from convoy.importing.network import bad_network
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.publication import NO_DIGEST
from convoy.importing.request import Request, read_points, retell


def default_name(file: Path) -> str:
    """Make a model's name from its file's: lower case, with "-" for characters except letters, digits and "._-"."""
    return re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("._-")[:64] or "model"


def draft_manifest(
    inspection: Inspection, adapter: Adapter, preprocessing: Preprocessing, name: str, version: int = 1
) -> Manifest:
    """Make the manifest without its digest and the proof's results. Raises InvalidArgument(BAD_ARGUMENT)."""
    request, network, reading = inspection.request, inspection.network, inspection.fits.get(adapter.name)
    facts = {
        "name": name,
        "version": str(version),
        "task": request.task,
        "architecture": network.file.stem,
        "precision": network.precision,
        "sha256": NO_DIGEST,
        "input": inspection.frame.spec(request, adapter),
        "picture": _picture(inspection, reading) if request.task is Task.PICTURE_TO_PICTURE else None,
        "labels": inspection.labels,
        "masks": {"form": reading.masks} if reading and reading.masks else None,
        "points": read_points(request, network) if reading and reading.points else [],
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


def _picture(inspection: Inspection, reading: Reading | None) -> dict[str, object]:
    """How the graph makes pictures, without how far its tiles overlap. Raises InvalidArgument(BAD_NETWORK)."""
    if reading is None:
        return {}
    takes = inspection.network.channels
    gives = reading.shapes[0][3 if reading.channels_last else 1]
    if (takes, gives) == (1, 3):
        raise bad_network(
            inspection.network.file, "it makes colours of the luminance alone, which no picture model does"
        )
    trimmed: dict[str, object] = {"overlap": reading.trim, "trimmed": True} if reading.trim else {}
    return {"scale": reading.magnified, "colour": "luminance" if takes == 1 else "rgb", **trimmed}


def _origin(request: Request, adapter: Adapter, preprocessing: Preprocessing) -> Training:
    beside = [request.network.parent / name for name in outside_files(request.network)]
    file = "; ".join(f"{path.name}, SHA-256 {digest(path)}" for path in [request.network, *beside])
    return Training(
        recipe=f"{request.source or 'foreign graph'} ({file})",
        command=retell(request, adapter.name, preprocessing),
        data=[],
        data_terms=request.data_terms or "not stated; the licence is the one that was named at import",
    )
