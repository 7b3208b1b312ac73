"""`explain`, `look`, `pointing`: what a classifier's answer rests on, what it learned, and how well maps tell."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from convoy_training.cli.app import app
from convoy_training.errors import TrainingError
from convoy_training.loading import loading


class Method(StrEnum):
    """How a map is made."""

    OCCLUSION = "occlusion"
    GRAD_CAM = "grad-cam"
    GRADIENTS = "gradients"


Classifier = Annotated[Path, typer.Argument(help="A run, or a published version, <model>/<version>.")]


ENDINGS = (".png", ".jpg", ".jpeg")
"""Of the pictures that --draw writes."""


@app.command()
def explain(
    model: Classifier,
    photo: Annotated[Path, typer.Argument(help="A picture.")],
    draw: Annotated[Path, typer.Option(help="Write the picture with the map over it here, as PNG or JPEG.")],
    label: Annotated[str, typer.Option(help="The label to explain. Default: the most probable one.")] = "",
    method: Annotated[
        Method | None,
        typer.Option(help="How the map is made. Default: grad-cam; occlusion for a graph without gradients."),
    ] = None,
    layer: Annotated[str, typer.Option(help="Of grad-cam: the layer whose maps count. Default: the last map.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Show which places of a picture make a classifier say a label: red speaks for it, blue against it.

    Example: convoy-train explain runs/pets photo.jpg --label dog --draw out.png
    """
    if draw.suffix.lower() not in ENDINGS:
        raise TrainingError(f"{draw}: end its name with one of {', '.join(ENDINGS)}")
    if draw.exists() and not force:
        raise TrainingError(f"{draw} is there already; name another file, or give --force")
    with loading():
        from PIL import Image

        from convoy_training.explanation.drawing import explain_photo, open_way

    way = open_way(model, method or "", layer)
    if way.note:
        typer.echo(way.note, err=True)
    said = explain_photo(way, photo.read_bytes(), label)
    Image.fromarray(said.drawn).save(draw)
    typer.echo(f"{said.label} {said.probability:.3f}; wrote {draw}")


@app.command()
def pointing(
    model: Classifier,
    split: Annotated[str, typer.Option(help="The split whose pictures the mosaics show.")] = "validation",
    count: Annotated[int, typer.Option(min=1, help="How many mosaics, and how many pictures for the curves.")] = 100,
    seed: Annotated[int, typer.Option(help="Draws the mosaics, and shuffles the weights.")] = 1,
    method: Annotated[list[Method] | None, typer.Option(help="Only these methods; you may repeat it.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Show mosaics at their own size; only for networks that take any size.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure maps: do they point at the right one of four pictures, and at what the answer rests on?

    The pointing game is right by chance once in four times, and with shuffled weights it must fall to that. Deletion
    (lower is better) and insertion (higher is better) stand beside random maps, of patches and of single pixels.
    """
    with loading():
        from convoy_training.explanation.measuring import METHODS, measure_curves, measure_pointing
        from convoy_training.explanation.network import open_classifier

    opened, methods = open_classifier(model), [str(one) for one in method or METHODS]
    pointed = list(measure_pointing(opened, methods, split, count, seed, shrink=not whole))
    traced = list(measure_curves(opened, methods, split, count, seed))
    if as_json:
        typer.echo(json.dumps({"pointing": list(map(asdict, pointed)), "curves": list(map(asdict, traced))}, indent=1))
        return
    for one in pointed:
        low, high = one.interval
        typer.echo(f"{one.method:10} {one.weights:8} {one.hits / one.count:.3f} [{low:.3f}, {high:.3f}]  n={one.count}")
    for each in traced:
        typer.echo(f"{each.method:10} deletion {each.deletion:.3f}  insertion {each.insertion:.3f}  n={each.count}")


@app.command()
def look(
    model: Classifier,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("look.html"),
    units: Annotated[int, typer.Option(min=1, max=64, help="How many units of each layer to show.")] = 3,
    pictures: Annotated[
        int, typer.Option(min=9, help="Among how many training pictures those that excite a unit most are sought.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Draws these pictures.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Show what a classifier has learned, as one HTML page.

    Filters of the first layer; for units of every layer the nine training patches that excite them most, with their
    deconvolution (Zeiler and Fergus 2014); one picture through the layers; reconstructions; receptive fields.
    """
    if out.exists() and not force:
        raise TrainingError(f"{out} is there already; name another file, or give --force")
    with loading():
        from convoy_training.explanation.looking import look as look_at
        from convoy_training.explanation.network import open_classifier
        from convoy_training.report.page import write_report

    sections = list(look_at(open_classifier(model), units, pictures, seed))
    write_report(out, f"What {model} has learned", {"model": str(model), "training pictures": pictures}, [], sections)
    typer.echo(f"wrote {out}")
