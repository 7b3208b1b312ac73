"""`predict`: what a model says about a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convoy_training.cli.app import app
from convoy_training.loading import loading


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A published or imported version, <model>/<version>, or a run.")],
    pictures: Annotated[Path, typer.Argument(help="A folder of pictures, searched to its depth, or one picture.")],
    out: Annotated[
        Path | None, typer.Option(help="The folder to write the answers into. Default: predictions/<model>.")
    ] = None,
    drawn: Annotated[bool, typer.Option(help="Also write the pictures, with the answers drawn into them.")] = True,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Show objects from this score on. Default: the model's own.")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="For models that fill in: a folder of masks with the pictures' names, bright where to fill."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over answers that are in the folder already.")] = False,
) -> None:
    """Write what a model says about pictures, exactly as its service would answer.

    You get predictions.csv and predictions.json, of a detector also coco.json, of a segmenter masks/, of a model that
    makes pictures made/, and drawn/ with the pictures. The exit code is 1 if a picture could not be read; the others
    are answered all the same.
    """
    with loading():
        from convoy_training.prediction.answering import open_answerer
        from convoy_training.prediction.folder import check_place, list_pictures, predict_folder

    files = list_pictures(pictures)
    answerer = open_answerer(model, threshold)
    folder = out or Path("predictions") / answerer.name.replace("/", "-")
    check_place(folder, files, force)
    said = predict_folder(answerer, files, folder, drawn=drawn, holes=masks)
    for name, problem in said.broken.items():
        typer.echo(f"not read: {name}: {problem}", err=True)
    typer.echo(f"wrote {folder}: {len(said.answers):,} pictures answered, {len(said.broken):,} not read")
    if said.broken:
        raise typer.Exit(1)
