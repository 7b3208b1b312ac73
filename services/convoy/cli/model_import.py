"""convoy model import: somebody else's ONNX graph as a model that Convoy serves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convoy.cli.model_trial import ask_whether_to_write, check_picture, choose_pixels, try_picture
from convoy.cli.output import AsJson, print_json, print_table
from convoy.core.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from convoy.importing.adapters.adapter import Boxes, Form
    from convoy.importing.inspection import Inspection
    from convoy.importing.model_import import Imported

TaskName = Literal["classification", "detection", "segmentation", "face_detection", "face_embedding"]
SERVED_BY: dict[str, tuple[str, str]] = {
    "classification": ("CONVOY_CLASSIFICATION_MODEL", "classification"),
    "detection": ("CONVOY_DETECTION_MODEL", "detection"),
    "segmentation": ("CONVOY_SEGMENTATION_MODEL", "segmentation"),
    "face_detection": ("CONVOY_FACE_DETECTOR", "faces"),
    "face_embedding": ("CONVOY_FACE_EMBEDDER", "faces"),
}
"""Task -> the setting that chooses a model for it, and the service."""
UNITS: "dict[str, Boxes]" = {"pixels": "pixels", "normalised": "normalised", "normalized": "normalised"}
FORMS: "dict[str, Form]" = {
    "corners": "corners",
    "xyxy": "corners",
    "centres": "centres",
    "centers": "centres",
    "cxcywh": "centres",
}
LOOK, PIXELS, MODEL = "How to read the graph", "How to prepare pixels", "The model to write"
Threshold = float | None


def import_graph(
    network: Annotated[Path, typer.Argument(metavar="NET.onnx", help="The foreign graph.")],
    task: Annotated[TaskName, typer.Option(help="What the network does.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights, such as MIT. The graph does not know it.")],
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
            help="Layout of the outputs: softmax, logits; yolov5, yolov8, yolox, ssd, retinanet, detr, nanodet, "
            "nanodet-plus, picodet; scrfd, yunet, retinaface, centerface; logits, class_map; arcface. By default the "
            "only one that fits.",
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
    input_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE|HEIGHTxWIDTH",
            help="Input size, if the graph takes any size or consists only of convolutions; for a detector, one number "
            "bounds the longer side.",
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
        str, typer.Option(help="Where the network comes from, for the manifest.", rich_help_panel=MODEL)
    ] = "",
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
    and on a terminal you choose one. Needs the extra: pip install 'convoy[import]'.

    Examples:

        convoy model import yolov8n.onnx --task detection --labels coco.txt --licence AGPL-3.0

        convoy model import resnet50.onnx --task classification --labels imagenet.txt --licence BSD-3-Clause

        convoy model import det_10g.onnx --task face_detection --licence non-commercial

        convoy model import w600k_r50.onnx --task face_embedding --match-threshold 0.4 --licence non-commercial

        convoy model import net.onnx --task classification --preprocess zero-one --bgr --labels names.txt --licence MIT
    """
    try:
        from convoy.importing.inspection import inspect
        from convoy.importing.model_import import prepare, write
        from convoy.importing.request import Request
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise FailedPrecondition("NO_ONNX", "the package onnx is missing; pip install 'convoy[import]'") from None
    from convoy.core.manifest import Task

    check_picture(photo, draw)
    unit, form = read_boxes(boxes)
    request = Request(
        network=network,
        task=Task(task),
        licence=licence,
        models=models,
        name=name,
        version=version,
        labels=labels,
        adapter=adapter,
        output=tuple(output or ()),
        preprocess=preprocess,
        scale=scale,
        mean=read_channels("--mean", mean),
        std=read_channels("--std", std),
        bgr=bgr,
        layout=layout,
        input_size=read_size(input_size),
        resize=resize,
        scores=scores,
        boxes=unit,
        form=form,
        priors=read_priors(priors),
        cut=cut,
        crop=crop,
        pad_value=pad,
        pad_at=pad_at,
        face_crop=face_crop,
        one_by_one=one_by_one,
        detection_threshold=detection_threshold,
        iou_threshold=iou_threshold,
        match_threshold=match_threshold,
        source=source,
    )
    inspection = inspect(request)
    if not as_json:
        _show_inspection(inspection)
        inspection = choose_pixels(inspection)
    prepared = prepare(inspection)
    if photo is not None:
        said = try_picture(prepared, photo, draw)
        typer.echo(f"{photo}: {said}", err=as_json)
        ask_whether_to_write(as_json)
    _show_imported(write(prepared), as_json)


def read_channels(option: str, text: str | None) -> tuple[float, float, float] | None:
    """Read one number for all channels, or three with commas. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text is None:
        return None
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise InvalidArgument("BAD_ARGUMENT", f"{option} {text}: give one number, or three as 0.485,0.456,0.406")
    red, green, blue = numbers * 3 if len(numbers) == 1 else numbers
    return red, green, blue


def read_boxes(text: str | None) -> "tuple[Boxes | None, Form | None]":
    """Read pixels or normalised, corners or centres, or one of each. Raises InvalidArgument(BAD_ARGUMENT)."""
    unit: Boxes | None = None
    form: Form | None = None
    for word in text.split(",") if text is not None else ():
        known_unit, known_form = UNITS.get(word.strip().lower()), FORMS.get(word.strip().lower())
        if (known_unit is None) == (known_form is None) or (unit and known_unit) or (form and known_form):
            choices = "pixels or normalised, corners or centres, or one of each as normalised,centres"
            raise InvalidArgument("BAD_ARGUMENT", f"--boxes {text}: give {choices}")
        unit, form = known_unit or unit, known_form or form
    return unit, form


def read_priors(text: str | None) -> tuple[tuple[float, ...], ...] | None:
    """Read sides for each stride, as 16,32/64,128/256,512. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text is None:
        return None
    try:
        priors = tuple(tuple(float(side) for side in level.split(",")) for level in text.split("/"))
    except ValueError:
        priors = ()
    if not 3 <= len(priors) <= 4 or not all(0 < side <= 8192 for level in priors for side in level):
        raise InvalidArgument(
            "BAD_ARGUMENT", f"--priors {text}: give the sides for strides 8, 16, 32 as 16,32/64,128/256,512"
        )
    return priors


def read_size(text: str | None) -> tuple[int, int] | int | None:
    """Read one side, or HEIGHTxWIDTH. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 0 < int(side) <= 8192 for side in sides):
        raise InvalidArgument("BAD_ARGUMENT", f"--input-size {text}: give one side as 640, or HEIGHTxWIDTH as 480x640")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def _show_inspection(inspection: "Inspection") -> None:
    network = inspection.network
    facts = f"opset {network.opset}, {network.parameters:,} parameters, {network.precision}"
    tensors = [("input", one, "") for one in network.inputs] + [
        ("output", one, _shape(inspection.shapes[one.name])) for one in network.outputs if one.name in inspection.shapes
    ]
    rows = [(kind, one.name, one.type, _shape(one.shape), seen) for kind, one, seen in tensors]
    print_table(f"{network.file.name}: {facts}", ("", "name", "type", "declared", "for one picture"), rows)
    verdicts = [(name, "fits") for name in inspection.fits] + list(inspection.misfits.items())
    print_table("", ("adapter", "verdict"), verdicts)


def _show_imported(imported: "Imported", as_json: bool) -> None:
    manifest = imported.manifest
    if as_json:
        print_json(
            {
                "model": f"{manifest.name}:{manifest.version}",
                "folder": str(imported.folder),
                "adapter": imported.adapter,
                "preprocessing": str(imported.preprocessing),
                "notes": list(imported.notes),
                "differences": {one.name: one.largest for one in imported.differences},
            }
        )
        return
    spec = manifest.input
    size = f"{spec.height}x{spec.width}" if spec.height else f"any size, the longer side up to {spec.long_side}"
    setting, service = SERVED_BY[manifest.task.value]
    typer.echo(f"adapter {imported.adapter}; {spec.resize} to {size}; {imported.preprocessing}")
    told = ", ".join(map(str, imported.differences))
    typer.echo(f"largest difference from the original file, on random pixels and a bundled picture: {told}")
    for note in imported.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"wrote {imported.folder}; serve it with {setting}={manifest.name} convoy serve {service}")


def _shape(lengths: tuple[int | str, ...]) -> str:
    return "[" + ", ".join(str(length) for length in lengths) + "]"
