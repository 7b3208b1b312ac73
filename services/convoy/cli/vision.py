"""convoy classify, embed, detect, segment, faces: what is in a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.completion import models
from convoy.cli.failures import politely
from convoy.cli.output import AsJson, place_of
from convoy.cli.photos import AnyAngle, Detail, DrawTo, Force, Inquiry, MinSize, Photos, answer_all, drawn

if TYPE_CHECKING:
    from convoy.client.answers.faces import Face
    from convoy.client.answers.vision import Detection

UNSURE = 0.5
"""Below this probability of its best label, a classifier may never have learned what the picture shows."""
PANEL = "Ask about pictures"
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Model, as NAME or NAME:VERSION; by default the service's own.",
        autocompletion=models,
    ),
]
Require = Annotated[bool, typer.Option("--require", help="Exit with 1 when no picture shows anything.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (classify, embed, detect, segment, faces):
        app.command(rich_help_panel=PANEL)(politely(command))


def classify(
    photos: Photos,
    model: Model = "",
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many labels to print for each picture.")] = 5,
    min_probability: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Leave out labels below this probability.")
    ] = 0.0,
    draw: DrawTo = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say what pictures show.

    Example: **convoy classify cat.jpg dog.jpg --top 3**
    """
    inquiry = Inquiry(
        lambda convoy, photo: convoy.classify(photo, model=model, top_k=top, min_probability=min_probability),
        ("label", "probability "),
        lambda answer: [(label.label, f"{label.probability:.1%}") for label in answer.labels],
        service="classification",
        is_unsure=lambda answer: bool(answer.labels) and answer.labels[0].probability < UNSURE,
    )
    answer_all(photos, inquiry, as_json, force, drawing=(draw, drawn("draw_classification")))


def embed(photos: Photos, model: Model = "", as_json: AsJson = False) -> None:
    """Turn pictures of things into embeddings, which --json prints; similar things have similar ones.

    For people, use **convoy faces --embed**.

    Example: **convoy embed nut.jpg --model cifar10-embedder --json**
    """
    inquiry = Inquiry(
        lambda convoy, photo: convoy.embed_image(photo, model=model),
        ("model", "numbers "),
        lambda answer: [(answer.model, len(answer.values))],
    )
    answer_all(photos, inquiry, as_json)


def detect(
    photos: Photos,
    model: Model = "",
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Leave out objects below this score; by default the model's own."),
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="When boxes of one label overlap by more than this, keep only the best."),
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only objects with this label; you may repeat it.")] = None,
    masks: Annotated[
        bool,
        typer.Option(
            "--masks",
            help="Also find the pixels of each object: --draw paints them, --json prints COCO's run lengths and "
            "polygons. The model must give masks.",
        ),
    ] = False,
    draw: DrawTo = None,
    force: Force = False,
    require: Require = False,
    as_json: AsJson = False,
) -> None:
    """Find objects in pictures and say where each one is.

    If the model finds named points, such as elbows, --draw and --json show them too.

    Examples: **convoy detect smear.png --label WBC --draw boxes.png**, **convoy detect cells.png --masks --draw c.png**
    """
    inquiry = Inquiry(
        lambda convoy, photo: convoy.detect(
            photo,
            model=model,
            detection_threshold=threshold,
            iou_threshold=iou,
            labels=label or (),
            masks=masks,
            polygons=masks,
        ),
        ("label", "score ", "place", "pixels "),
        lambda answer: [_detection_row(found) for found in answer],
        lambda answer: require and not len(answer),
        service="detection",
    )
    answer_all(photos, inquiry, as_json, force, drawing=(draw, drawn("draw_detections")))


def _detection_row(found: "Detection") -> tuple[str, ...]:
    return found.label, f"{found.score:.2f}", place_of(found.box), str(found.mask.area) if found.mask else ""


def segment(
    photos: Photos,
    model: Model = "",
    mask: Annotated[
        Path | None,
        typer.Option(help="Write the mask here, as a grey PNG of class indices; for several pictures, name a folder."),
    ] = None,
    draw: DrawTo = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say for every pixel which class it belongs to.

    Example: **convoy segment street.jpg --draw overlay.png --mask mask.png**
    """
    inquiry = Inquiry(
        lambda convoy, photo: convoy.segment(photo, model=model),
        ("label", "area "),
        lambda answer: [(region.label, f"{region.area:.1%}") for region in answer.regions],
        service="segmentation",
        is_unsure=lambda answer: len(answer.regions) == 1,
    )
    overlay, grey = (draw, drawn("draw_segmentation")), (mask, lambda _, answer: answer.mask)
    answer_all(photos, inquiry, as_json, force, drawing=overlay, mask=grey)


def faces(
    photos: Photos,
    embed: Annotated[
        bool, typer.Option("--embed", help="Also return each face's embedding; --json prints it.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Leave out faces below this score; by default the detector's own."),
    ] = None,
    min_size: MinSize = 0,
    largest: Annotated[bool, typer.Option("--largest", help="Only the largest face.")] = False,
    any_angle: AnyAngle = False,
    detail: Detail = False,
    draw: DrawTo = None,
    force: Force = False,
    require: Require = False,
    as_json: AsJson = False,
) -> None:
    """Find faces in pictures, with their landmarks and quality.

    Example: **convoy faces party.jpg --min-size 40 --draw faces.png**
    """
    inquiry = Inquiry(
        lambda convoy, photo: (convoy.embed_faces if embed else convoy.detect_faces)(
            photo,
            detection_threshold=threshold,
            min_face_size=min_size,
            largest=largest,
            any_angle=any_angle,
            detail=detail,
        ),
        ("score ", "quality ", "place", "says"),
        lambda answer: [_face_row(face) for face in answer],
        lambda answer: require and not len(answer),
    )
    answer_all(photos, inquiry, as_json, force, drawing=(draw, drawn("draw_faces")))


def _face_row(face: "Face") -> tuple[str, ...]:
    return f"{face.detection_score:.2f}", f"{face.quality.score:.2f}", place_of(face.box), face.describe()
