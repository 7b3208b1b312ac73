"""convoy classify-signal: what signals show."""

from pathlib import Path
from typing import Annotated

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson
from convoy.cli.photos import Inquiry, answer_all
from convoy.cli.vision import PANEL, UNSURE, Model


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("classify-signal", rich_help_panel=PANEL)(politely(classify_signal))


def classify_signal(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of samples: .npy [T] or [T, channels]; .csv with a column for each channel; .wav."),
    ],
    model: Model = "",
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Samples of each channel in a second, in Hz; WAV says it itself.")
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Convert another rate to the model's, instead of refusing it.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many labels to print for each signal.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Say what signals show, such as heartbeats.

    Example: **convoy classify-signal beats.csv --model heartbeats --rate 100**
    """
    inquiry = Inquiry(
        lambda convoy, file: convoy.classify_signal(file, rate_hz=rate, model=model, resample=resample, top_k=top),
        ("label", "probability "),
        lambda answer: [(label.label, f"{label.probability:.1%}") for label in answer.labels],
        service="classification",
        is_unsure=lambda answer: bool(answer.labels) and answer.labels[0].probability < UNSURE,
    )
    answer_all(files, inquiry, as_json)
