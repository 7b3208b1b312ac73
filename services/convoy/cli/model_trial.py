"""Shows what a foreign graph finds in pictures before you import it: how to prepare its pixels, and --try."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from convoy.cli.output import print_table
from convoy.core.errors import InvalidArgument

if TYPE_CHECKING:
    from convoy.client.answers.common import ImageRGB
    from convoy.client.answers.vision import Detection as Answered
    from convoy.core.pictures.decoding import Picture
    from convoy.detection.task import Detection
    from convoy.importing.inspection import Inspection
    from convoy.importing.model_import import Prepared
    from convoy.importing.saying import Saying

QUESTION = "How does the network want its pixels?"


def choose_pixels(inspection: "Inspection") -> "Inspection":
    """Show what the network finds in the bundled picture with each usual way to prepare pixels, if the user named none.

    On a terminal the user chooses; elsewhere the import guesses, unless the picture shows that the guess is wrong. For
    a file of the catalogue nothing is asked: its entry knows the way, and the others stand beside it.
    """
    from convoy.importing.inspection import inspect
    from convoy.importing.survey import guesses, has_preset, survey

    is_known = inspection.request.settled and has_preset(inspection)
    if not is_known and not guesses(inspection):
        return inspection
    findings = survey(inspection)
    decides = "The catalogue says the first" if is_known else "The guess is first; --preprocess decides"
    rows = [(one.preset, one.says) for one in findings]
    print_table(f"{QUESTION} {decides}", ("pixels", "what it finds in a picture of a person"), rows)
    if is_known or not is_terminal():
        return inspection
    names = [one.preset for one in findings]
    chosen = typer.prompt("pixels", default=names[0])
    while chosen not in names:
        chosen = typer.prompt(f"there is no {chosen}; pixels", default=names[0])
    return inspect(replace(inspection.request, preprocess=chosen))


def check_picture(photo: Path | None, draw: Path | None) -> None:
    """Check --try and --draw before the long work. Raises InvalidArgument(BAD_ARGUMENT, WOULD_REPLACE)."""
    from convoy.drawing.picture_files import check_picture_name

    if draw is not None and photo is None:
        raise InvalidArgument("BAD_ARGUMENT", "--draw needs a picture to draw into: --try PHOTO")
    if photo is not None and not photo.is_file():
        raise InvalidArgument("BAD_ARGUMENT", f"--try {photo}: there is no such file")
    if draw is not None:
        check_picture_name(draw)
        if draw.exists():
            raise InvalidArgument("WOULD_REPLACE", f"'{draw}' is there already", hint="name another place for --draw")


def try_picture(prepared: "Prepared", photo: Path, draw: Path | None) -> "Saying":
    """Run the wrapped graph on a picture, with the service's own code; draw the answer into `draw`, if given."""
    from convoy.core.pictures.decoding import decode_image
    from convoy.drawing.picture_files import write_picture
    from convoy.importing.proof import open_engine, run
    from convoy.importing.saying import place_picture, say

    picture = decode_image(photo.read_bytes())
    if prepared.manifest.picture is not None:
        return _transform(prepared, picture, draw)
    canvas, placement = place_picture(picture, prepared.manifest)
    outputs = run(open_engine(prepared.model), canvas[None])
    said = say(outputs, placement, picture, prepared.manifest)
    if draw is not None:
        write_picture(draw, _draw(picture, said))
    return said


def _transform(prepared: "Prepared", picture: "Picture", draw: Path | None) -> "Saying":
    """Make a picture of a picture, tile by tile."""
    import numpy as np

    from convoy.client.answers.common import Model, Size
    from convoy.client.answers.imaging import Transformed
    from convoy.drawing.drawing import draw_transformed
    from convoy.drawing.picture_files import write_picture
    from convoy.imaging.task import transform
    from convoy.importing.likeness import compare
    from convoy.importing.proof import open_engine, run
    from convoy.importing.saying import Saying

    engine, image = open_engine(prepared.model), picture.image_rgb
    answer = transform(lambda tile: run(engine, tile), image, prepared.manifest)
    if draw is not None:
        sizes = Size(answer.shape[1], answer.shape[0]), Size(picture.width, picture.height)
        write_picture(draw, draw_transformed(image, Transformed(answer, *sizes, Model("import", "0"))))
    return Saying(prepared.manifest.task, likeness=compare(np.atleast_3d(answer), image))


def ask_whether_to_write(as_json: bool) -> None:
    """On a terminal, ask whether to write the model. Raises typer.Exit if not."""
    if not as_json and is_terminal() and not typer.confirm("write the model?", default=True):
        raise typer.Exit(0)


def is_terminal() -> bool:
    """Whether a user can answer questions."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _draw(picture: "Picture", said: "Saying") -> "ImageRGB":
    from convoy.client.answers import vision
    from convoy.client.answers.common import Box, Model, Size
    from convoy.drawing import drawing

    about = (Size(picture.width, picture.height), Model("import", "0"))
    image = picture.image_rgb
    if said.labels:
        labels = tuple(vision.Label(one.index, one.name, one.probability) for one in said.labels)
        return drawing.draw_classification(image, vision.Classification(labels, *about))
    if said.mask is not None:
        regions = tuple(vision.Region(one.index, one.label, one.area) for one in said.regions)
        return drawing.draw_segmentation(image, vision.Segmentation(said.mask, regions, *about))
    found = [_answer(one) for one in said.objects]
    found += [vision.Detection(Box(*map(float, one.box_xyxy)), 0, "face", one.score) for one in said.faces]
    drawn = drawing.draw_detections(image, vision.Detections(tuple(found), *about))
    for face in said.faces:
        for x, y in face.landmarks_xy.tolist():
            drawn = _dot(drawn, x, y)
    return drawn


def _answer(found: "Detection") -> "Answered":
    """An object as the client would get it."""
    from convoy.client.answers import vision
    from convoy.client.answers.common import Box, Point
    from convoy.client.answers.masks import InstanceMask, NamedPoint

    mask = found.mask
    rle = {"size": [mask.height, mask.width], "counts": mask.text()} if mask else {}
    points = tuple(NamedPoint(one.name, Point(one.x, one.y), one.score) for one in found.points)
    painted = InstanceMask(mask.area, rle) if mask else None
    return vision.Detection(Box(*found.box_xyxy), found.index, found.label, found.score, 0, painted, points)


def _dot(image: "ImageRGB", x: float, y: float) -> "ImageRGB":
    """Draw a landmark: a small square in the colour of boxes."""
    from convoy.drawing.colours import colour_of

    half = max(1, min(image.shape[:2]) // 300)
    top, left = max(0, round(y) - half), max(0, round(x) - half)
    image[top : round(y) + half + 1, left : round(x) + half + 1] = colour_of(0)
    return image
