"""convoy explain: which places of a picture an answer rests on."""

from typing import Annotated

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson
from convoy.cli.photos import DrawTo, Force, Inquiry, Photos, answer_all
from convoy.cli.vision import PANEL, Model


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(politely(explain))


def explain(
    photos: Photos,
    label: Annotated[str, typer.Option(help="The label to explain; by default the one that scores best.")] = "",
    model: Model = "",
    cells: Annotated[
        int, typer.Option(min=2, max=24, help="Cells along the longer side. More show finer places, and take longer.")
    ] = 8,
    draw: DrawTo = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Show which places of pictures make a model say what it says.

    Each place is covered in turn; where the score falls, the place speaks for the label (red), where it rises, against
    it (blue). `fall` is the largest fall, and x and y say where it is.

    Example: **convoy explain photo.jpg --label dog --draw out.png**
    """
    from convoy.drawing.drawing import draw_explanation

    inquiry = Inquiry(
        lambda convoy, photo: convoy.explain(photo, label, model=model, cells=cells),
        ("label", "score ", "fall ", "x ", "y "),
        lambda answer: [
            (
                answer.label,
                f"{answer.score:.3f}",
                f"{answer.heat.max():.3f}",
                f"{answer.strongest.x:.0f}",
                f"{answer.strongest.y:.0f}",
            )
        ],
        service="classification",
    )
    answer_all(photos, inquiry, as_json, force, drawing=(draw, draw_explanation))
