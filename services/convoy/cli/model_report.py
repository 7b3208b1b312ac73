"""Shows what an import found in a foreign graph, and what it wrote."""

from typing import TYPE_CHECKING

import typer

from convoy.cli.output import print_json, print_table

if TYPE_CHECKING:
    from convoy.importing.inspection import Inspection
    from convoy.importing.model_import import Imported

SERVED_BY: dict[str, tuple[str, str]] = {
    "classification": ("CONVOY_CLASSIFICATION_MODEL", "classification"),
    "detection": ("CONVOY_DETECTION_MODEL", "detection"),
    "segmentation": ("CONVOY_SEGMENTATION_MODEL", "segmentation"),
    "face_detection": ("CONVOY_FACE_DETECTOR", "faces"),
    "face_embedding": ("CONVOY_FACE_EMBEDDER", "faces"),
    "picture_to_picture": ("CONVOY_IMAGING_MODEL", "imaging"),
}
"""Task -> the setting that chooses a model for it, and the service."""


def show_inspection(inspection: "Inspection") -> None:
    """Show the graph's inputs and outputs, and which adapters fit."""
    network = inspection.network
    facts = f"opset {network.opset}, {network.parameters:,} parameters, {network.precision}"
    tensors = [("input", one, "") for one in network.inputs] + [
        ("output", one, _shape(inspection.shapes[one.name])) for one in network.outputs if one.name in inspection.shapes
    ]
    rows = [(kind, one.name, one.type, _shape(one.shape), seen) for kind, one, seen in tensors]
    print_table(f"{network.file.name}: {facts}", ("", "name", "type", "declared", "for one picture"), rows)
    verdicts = [(name, "fits") for name in inspection.fits] + list(inspection.misfits.items())
    print_table("", ("adapter", "verdict"), verdicts)


def show_imported(imported: "Imported", known: tuple[str, ...], as_json: bool) -> None:
    """Show how the model was made. known: notes on what the catalogue says of the file."""
    manifest = imported.manifest
    if as_json:
        print_json(
            {
                "model": f"{manifest.name}:{manifest.version}",
                "folder": str(imported.folder),
                "adapter": imported.adapter,
                "preprocessing": str(imported.preprocessing),
                "notes": [*known, *imported.notes],
                "differences": {one.name: one.largest for one in imported.differences},
            }
        )
        return
    spec = manifest.input
    size = f"{spec.height}x{spec.width}" if spec.height else f"any size, the longer side up to {spec.long_side}"
    setting, service = SERVED_BY[manifest.task.value]
    typer.echo(f"adapter {imported.adapter}; {spec.resize} to {size}; {imported.preprocessing}")
    told = ", ".join(map(str, imported.differences))
    typer.echo(f"largest difference from the original file, on random pixels and a bundled picture: {told}")
    for note in (*known, *imported.notes):
        typer.echo(f"note: {note}")
    typer.echo(f"wrote {imported.folder}; serve it with {setting}={manifest.name} convoy serve {service}")


def _shape(lengths: tuple[int | str, ...]) -> str:
    return "[" + ", ".join(str(length) for length in lengths) + "]"
