"""convoy explain: which places of a picture an answer rests on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson
from convoy.cli.photos import DrawTo, Force, Inquiry, Photos, answer_all, check_size
from convoy.cli.vision import PANEL, Model
from convoy.core.errors import InvalidArgument, PermissionDenied

if TYPE_CHECKING:
    from convoy.client import Convoy

Kind = Literal["classification", "detection", "segmentation"]


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(politely(explain))


def explain(
    photos: Photos,
    label: Annotated[str, typer.Option(help="The label to explain; by default the one that scores best.")] = "",
    task: Annotated[
        Kind, typer.Option(help="Whose answer: that of classification, detection or segmentation.")
    ] = "classification",
    place: Annotated[
        str,
        typer.Option(help="X_MIN,Y_MIN,X_MAX,Y_MAX in pixels: where the object is, or which part counts."),
    ] = "",
    against: Annotated[
        Path | None, typer.Option(help="Show what makes the face similar to the face in this picture.")
    ] = None,
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
    it (blue). `fall` is the largest fall, and `at` says where it is: x,y.

    Example: **convoy explain photo.jpg --label dog --draw out.png**
    """
    from convoy.drawing.drawing import draw_explanation

    edges = _read_place(place)
    if edges and task == "classification":
        raise InvalidArgument("BAD_ARGUMENT", "--place is for --task detection or segmentation")
    if against and (label or place or model or task != "classification"):
        raise InvalidArgument("BAD_ARGUMENT", "--against compares faces; leave out --label, --place, --model, --task")

    def ask(convoy: "Convoy", photo: Path) -> Any:
        if against:
            check_size(against)
            return _only_with_scores(convoy.explain_comparison(photo, against, cells=cells).explanation)
        if task == "detection":
            return convoy.explain_detection(photo, label, place=edges, model=model, cells=cells)
        if task == "segmentation":
            return convoy.explain_segmentation(photo, label, place=edges, model=model, cells=cells)
        return convoy.explain(photo, label, model=model, cells=cells)

    inquiry = Inquiry(ask, ("label", "score ", "fall ", "at"), lambda answer: [_row(answer)])
    answer_all(photos, inquiry, as_json, force, drawing=(draw, draw_explanation))


def _row(answer: Any) -> tuple[str, ...]:
    place = answer.strongest
    return answer.label, f"{answer.score:.3f}", f"{answer.heat.max():.3f}", f"{place.x:.0f},{place.y:.0f}"


def _only_with_scores(explanation: Any) -> Any:
    if explanation is None:
        raise PermissionDenied("SCOPE_MISSING", "only callers with the scope scores learn what makes faces alike")
    return explanation


def _read_place(text: str) -> tuple[float, ...] | None:
    if not text:
        return None
    try:
        edges = tuple(map(float, text.split(",")))
    except ValueError:
        edges = ()
    if len(edges) != 4:
        raise InvalidArgument("BAD_ARGUMENT", f"'{text}': a place is X_MIN,Y_MIN,X_MAX,Y_MAX, such as 10,20,110,220")
    return edges
