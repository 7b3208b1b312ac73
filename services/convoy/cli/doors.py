"""convoy doors: what clients of other systems are told."""

from typing import Annotated

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="What clients of CompreFace, DeepStack and Rekognition are told.")
LOWEST, STEP, COUNT = -0.2, 0.05, 25


@app.callback()
def doors() -> None:
    """What clients of CompreFace, DeepStack and Rekognition are told."""


@app.command()
@politely
def curve(
    threshold: Annotated[
        float | None,
        typer.Option(
            min=-1.0,
            max=1.0,
            help="The similarity that a match must reach, as `convoy identify` shows it for your gallery. By default "
            "that of the embedder in use for two pictures.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which number each door makes of a similarity: at the threshold they are 0.5, 0.67 and 80.

    Example: **convoy doors curve --threshold 0.42**
    """
    from convoy.client import Convoy
    from convoy.web.doors import curves

    if threshold is None:
        with Convoy() as convoy:
            threshold = convoy.get_face_model().default_match_threshold
    similarities = sorted({round(LOWEST + STEP * i, 2) for i in range(COUNT)} | {round(threshold, 4)})
    rows = [
        (
            similarity,
            round(curves.compreface(similarity, threshold), 3),
            round(curves.deepstack(similarity, threshold), 3),
            round(curves.rekognition(similarity, threshold), 1),
        )
        for similarity in similarities
    ]
    names = ("similarity", "compreface", "deepstack", "rekognition")
    if as_json:
        print_json({"threshold": threshold, "curve": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    print_table(f"threshold {threshold:.4f}", names, rows)
