"""convoy model import: somebody else's ONNX graph as a model that Convoy serves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convoy.cli.model_report import show_imported, show_inspection
from convoy.cli.model_trial import ask_whether_to_write, check_picture, choose_pixels, try_picture
from convoy.cli.output import AsJson
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.importing.words import read_boxes, read_channels, read_points, read_priors, read_size, read_window

if TYPE_CHECKING:
    from convoy.importing.request import Request

TaskName = Literal[
    "classification", "detection", "segmentation", "face_detection", "face_embedding", "picture_to_picture"
]
LOOK, PIXELS, MODEL = "How to read the graph", "How to prepare pixels", "The model to write"
Threshold = float | None


def import_graph(
    network: Annotated[Path, typer.Argument(metavar="NET.onnx", help="The foreign graph.")],
    task: Annotated[
        TaskName | None, typer.Option(help="What the network does; needed for files that the catalogue does not know.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="Licence of the weights, such as MIT; needed for files that the catalogue does not know."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="File of labels, one per line, in the order of the network's classes.")
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder of the model repository.")] = Path("exported_models"),
    name: Annotated[
        str | None, typer.Option(help="Name of the model; by default the file's.", rich_help_panel=MODEL)
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Version to write; by default the next free one.", rich_help_panel=MODEL)
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="Layout of the outputs: softmax, logits, tree; yolov5, yolov8, yolov8-seg, yolov8-pose, yolox, ssd, "
            "retinanet, detr, nanodet, nanodet-plus, picodet; scrfd, yunet, retinaface, centerface; logits, class_map; "
            "arcface; pictures. By default the only one that fits.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(help="Use only this output; you may repeat the option.", rich_help_panel=LOOK),
    ] = None,
    layout: Annotated[
        Literal["nchw", "nhwc"] | None,
        typer.Option(help="Order of the input's axes, if its shape does not show it.", rich_help_panel=LOOK),
    ] = None,
    scores: Annotated[
        Literal["probabilities", "logits"] | None,
        typer.Option(
            help="What the scores are, also those of one channel or one class; by default, their range decides.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    boxes: Annotated[
        str | None,
        typer.Option(
            metavar="WORD[,WORD]",
            help="What the boxes of ssd, detr and yolo are: pixels or normalised, corners or centres; by default, "
            "their numbers decide.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    priors: Annotated[
        str | None,
        typer.Option(
            metavar="SIDES/SIDES/SIDES",
            help="Sides of retinaface's priors for each stride, as 16,32/64,128/256,512; by default, those that find "
            "the face in a bundled picture.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    cut: Annotated[
        float | None,
        typer.Option(
            help="For masks of one channel: numbers above this are foreground; by default 0.5, or 0 for logits.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    one_by_one: Annotated[
        bool,
        typer.Option(
            "--one-by-one",
            help="For graphs that take one picture: run the pictures of a batch one after another inside the graph.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    preprocess: Annotated[
        str | None,
        typer.Option(
            help="raw, raw-bgr, zero-one, imagenet, imagenet-bgr, tensorflow or arcface (-1 to 1), scrfd, minus-127 or "
            "retinaface; by default the adapter's.",
            rich_help_panel=PIXELS,
        ),
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Multiply pixels of 0 to 255 by this, before --mean.", rich_help_panel=PIXELS)
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="Subtract this after --scale; one number or three.", rich_help_panel=PIXELS),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="Divide by this after --mean; one number or three.", rich_help_panel=PIXELS),
    ] = None,
    bgr: Annotated[
        bool | None,
        typer.Option("--bgr/--rgb", help="Order of the channels that the network takes.", rich_help_panel=PIXELS),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            help="For networks that make pictures: what the numbers of the answer are, by a name of --preprocess; by "
            "default what those of the input are.",
            rich_help_panel=PIXELS,
        ),
    ] = None,
    input_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE|HEIGHTxWIDTH",
            help="Input size, if the graph takes any size or consists only of convolutions; for a detector, one number "
            "bounds the longer side, and for a network that makes pictures that of a tile.",
            rich_help_panel=PIXELS,
        ),
    ] = None,
    resize: Annotated[
        Literal["stretch", "letterbox", "center_crop"] | None,
        typer.Option(
            help="How to bring pictures to the input's size; by default as usual for the task.", rich_help_panel=PIXELS
        ),
    ] = None,
    crop: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Use only this share of the picture's middle, such as 0.875 for 224 of 256 pixels.",
            rich_help_panel=PIXELS,
        ),
    ] = None,
    pad: Annotated[
        int | None,
        typer.Option(min=0, max=255, help="Grey of a letterbox's padding; by default 114.", rich_help_panel=PIXELS),
    ] = None,
    pad_at: Annotated[
        Literal["end", "both"] | None,
        typer.Option(
            help="Where to pad a letterbox: at its right and lower end, or evenly on both sides.",
            rich_help_panel=PIXELS,
        ),
    ] = None,
    face_crop: Annotated[
        float | None,
        typer.Option(
            metavar="SCALE",
            help="For classifiers of faces: side of the square around a face that they take, as a multiple of its box.",
            rich_help_panel=PIXELS,
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL,WIDTH",
            help="For grey of more than 8 bits, such as medical pictures: the value in the middle, and how many values "
            "lie between black and white, as 40,400. By default all that the bits can hold.",
            rich_help_panel=PIXELS,
        ),
    ] = None,
    points: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,...",
            help="Names of the points that a detector finds on each object, in the network's order; by default the "
            "file's, or COCO's 17 of a person.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    detection_threshold: Annotated[
        Threshold, typer.Option(help="Lowest score, for calls that name none.", rich_help_panel=MODEL)
    ] = None,
    iou_threshold: Annotated[
        Threshold,
        typer.Option(
            help="Overlap above which the weaker box is dropped, for calls that name none.", rich_help_panel=MODEL
        ),
    ] = None,
    match_threshold: Annotated[
        Threshold,
        typer.Option(help="Lowest similarity of one person's faces, for calls that name none.", rich_help_panel=MODEL),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the network comes from, for the manifest.", rich_help_panel=MODEL)
    ] = None,
    photo: Annotated[
        Path | None,
        typer.Option("--try", help="Show what the wrapped graph finds in this picture, before anything is written."),
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(help="With --try: draw what the graph finds, and write the picture here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Wrap somebody else's ONNX graph in a model folder, so that Convoy serves it like its own.

    The new graph takes plain RGB pixels and gives decoded outputs: it prepares the pixels in front of the network and
    decodes the network's outputs behind it. Before the command writes the model, it compares it with the original file
    on random pixels and a bundled picture. Without --adapter, exactly one layout must fit the outputs. A graph does not
    say how to prepare its pixels: without --preprocess, you see what it finds in a bundled picture with each usual way,
    and on a terminal you choose one. A file of `convoy model catalogue` brings its options, labels and licence with it,
    whatever its name; what you say wins. Needs the extra: pip install 'convoy-vision[import]'.

    Examples:

        convoy model import yolox_nano.onnx

        convoy model import yolov8n.onnx --task detection --labels coco.txt --licence AGPL-3.0

        convoy model import resnet50.onnx --task classification --labels imagenet.txt --licence BSD-3-Clause

        convoy model import det_10g.onnx --task face_detection --licence non-commercial

        convoy model import w600k_r50.onnx --task face_embedding --match-threshold 0.4 --licence non-commercial

        convoy model import espcn.onnx --task picture_to_picture --licence MIT

        convoy model import net.onnx --task classification --preprocess zero-one --bgr --labels names.txt --licence MIT
    """
    try:
        from convoy.importing.inspection import inspect
        from convoy.importing.model_import import prepare, write
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise FailedPrecondition("NO_ONNX", "onnx is missing: pip install 'convoy-vision[import]'") from None
    from convoy.core.manifest import Task

    check_picture(photo, draw)
    unit, form = read_boxes(boxes)
    said = {
        "network": network,
        "task": task and Task(task),
        "licence": licence,
        "models": models,
        "name": name,
        "version": version,
        "labels": labels,
        "adapter": adapter,
        "output": tuple(output) if output else None,
        "preprocess": preprocess,
        "scale": scale,
        "mean": read_channels("--mean", mean),
        "std": read_channels("--std", std),
        "bgr": bgr,
        "answer": answer,
        "layout": layout,
        "input_size": read_size(input_size),
        "resize": resize,
        "scores": scores,
        "boxes": unit,
        "form": form,
        "priors": read_priors(priors),
        "cut": cut,
        "crop": crop,
        "pad_value": pad,
        "pad_at": pad_at,
        "face_crop": face_crop,
        "window": read_window(window),
        "points": read_points(points),
        "one_by_one": one_by_one or None,
        "detection_threshold": detection_threshold,
        "iou_threshold": iou_threshold,
        "match_threshold": match_threshold,
        "source": source,
    }
    request, known = _make_request({option: value for option, value in said.items() if value is not None})
    inspection = inspect(request)
    if not as_json:
        show_inspection(inspection)
        inspection = choose_pixels(inspection)
    prepared = prepare(inspection)
    if photo is not None:
        tried = try_picture(prepared, photo, draw)
        typer.echo(f"{photo}: {tried}", err=as_json)
        ask_whether_to_write(as_json)
    show_imported(write(prepared), known, as_json)


def _make_request(said: dict[str, Any]) -> "tuple[Request, tuple[str, ...]]":
    """Complete what the user says with what the catalogue knows about the file; also return notes on that.

    Raises InvalidArgument(BAD_ARGUMENT), FailedPrecondition (LICENCE_NOT_ACCEPTED, NEEDS_CONVERSION).
    """
    from convoy.catalogue.catalogue import bundled_catalogue
    from convoy.catalogue.conversion import needs_conversion
    from convoy.catalogue.known import complete, find_entry
    from convoy.importing.request import Request

    catalogue = bundled_catalogue()
    if (entry := find_entry(said["network"], catalogue)) is not None:
        if needs_conversion(entry):
            problem = f"{said['network']} is {entry.name} of the catalogue, and it is not ONNX"
            cure = f"`convoy model pull {entry.name} --from {said['network']}` converts and imports it"
            raise FailedPrecondition("NEEDS_CONVERSION", f"{problem}: {cure}")
        known = complete(said, entry, catalogue)
        return known.request, known.notes
    for option, what in (("task", "what the network does"), ("licence", "the licence of its weights")):
        if option not in said:
            raise InvalidArgument("BAD_ARGUMENT", f"say {what} with --{option}; the catalogue does not know this file")
    return Request(**said), ()
