"""convoy transform: a picture of a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson
from convoy.cli.photos import DrawTo, Force, Inquiry, Photos, answer_all, drawn
from convoy.cli.vision import PANEL, Model
from convoy.core.errors import InvalidArgument

if TYPE_CHECKING:
    from convoy.client import Convoy

Colour = Literal["luminance", "channels"]
Border = Literal["reflect", "zero"]
Mapping0To255 = Literal["as_is", "absolute", "centred"]
Encoding = Literal["png", "jpeg", "webp"]


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(politely(transform))


def transform(
    photos: Photos,
    model: Model = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write what comes out here; for several pictures, name a folder."),
    ] = None,
    colour: Annotated[
        Colour | None, typer.Option(help="Give the model the brightness, or each channel; by default the model's own.")
    ] = None,
    border: Annotated[
        Border | None, typer.Option(help="What lies around the picture: its mirror image, or zeros.")
    ] = None,
    mapping: Annotated[
        Mapping0To255 | None,
        typer.Option(help="How numbers become pixels: as they are, without their sign, or with 128 added."),
    ] = None,
    noise: Annotated[
        float | None, typer.Option(min=0.0, max=255.0, help="How strong the noise is, in grey levels of 0 to 255.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Picture of the same size that is bright where to fill in; for one picture.")
    ] = None,
    style: Annotated[
        list[str] | None, typer.Option(help="NAME or NAME=WEIGHT of a style of the model; you may repeat it.")
    ] = None,
    encoding: Annotated[
        Encoding, typer.Option(help="How the answer is sent; where it is too large for a message as png, try jpeg.")
    ] = "png",
    draw: DrawTo = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a picture of a picture: find edges, sharpen, take noise away, enlarge.

    --draw shows both beside each other.

    Example: **convoy transform photo.jpg --model kernels-sobel --out edges.png**
    """

    if out is None and draw is None and not as_json:
        raise InvalidArgument("BAD_ARGUMENT", "give --out or --draw, or what comes out is lost")
    if mask is not None and len(photos) > 1:
        raise InvalidArgument("BAD_ARGUMENT", "--mask is for one picture")
    asked: dict[str, Any] = {
        "model": model,
        "colour": colour or "",
        "border": border or "",
        "mapping": mapping or "",
        "noise_level": noise,
        "mask": mask,
        "styles": _read_styles(style or []),
        "encoding": encoding,
    }

    def ask(convoy: "Convoy", photo: Path) -> Any:
        return convoy.transform(photo, **asked)

    inquiry = Inquiry(
        ask,
        ("model", "width ", "height "),
        lambda answer: [(answer.model, answer.size.width, answer.size.height)],
    )
    answer_all(
        photos,
        inquiry,
        as_json,
        force,
        out=(out, lambda _, answer: answer.image_rgb),
        drawing=(draw, drawn("draw_transformed")),
    )


def _read_styles(texts: list[str]) -> dict[str, float]:
    """NAME=WEIGHT to a weight by name; a name alone has the weight 1."""
    styles = {}
    for text in texts:
        name, given, weight = text.partition("=")
        try:
            styles[name] = float(weight) if given else 1.0
        except ValueError:
            raise InvalidArgument("BAD_ARGUMENT", f"'{text}': the weight of a style is a number") from None
    return styles
