"""What a user says of a foreign graph."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Boxes, Form, PadAt, Priors, Resize, Scores
from convoy.importing.adapters.face_detection.retinaface import show
from convoy.importing.metadata import is_ultralytics_classifier
from convoy.importing.network import Layout, Network
from convoy.importing.preprocessing import PRESETS, Channels, Preprocessing


@dataclass(frozen=True)
class Request:
    """What the user says of a foreign graph; what is None is taken from the graph, the adapter or Convoy's habits.

    input_size: (height, width) in pixels, or one number: both sides, or of a dynamic detector's input the longer one.
    """

    network: Path
    task: Task
    licence: str
    models: Path = Path("exported_models")
    name: str | None = None
    version: int | None = None
    labels: Path | None = None
    adapter: str | None = None
    output: tuple[str, ...] = ()
    preprocess: str | None = None
    scale: float | None = None
    mean: Channels | None = None
    std: Channels | None = None
    bgr: bool | None = None
    layout: Layout | None = None
    input_size: tuple[int, int] | int | None = None
    resize: Resize | None = None
    scores: Scores | None = None
    boxes: Boxes | None = None
    form: Form | None = None
    priors: Priors | None = None
    cut: float | None = None
    pad_value: int | None = None
    pad_at: PadAt | None = None
    crop: float | None = None
    face_crop: float | None = None
    one_by_one: bool = False
    detection_threshold: float | None = None
    iou_threshold: float | None = None
    match_threshold: float | None = None
    source: str = ""


def read_labels(request: Request, network: Network) -> list[str]:
    """The class names: of the file, otherwise of the graph's metadata. Raises InvalidArgument(BAD_ARGUMENT)."""
    if request.task is Task.FACE_DETECTION:
        return ["face"]
    if request.task is Task.FACE_EMBEDDING:
        return []
    if request.labels is None and network.labels:
        return network.labels
    if request.labels is None:
        raise InvalidArgument("BAD_ARGUMENT", f"{request.network} names no classes; --labels FILE does, one a line")
    return _read_lines(request.labels)


def read_preprocessing(request: Request, adapter: Adapter, network: Network) -> Preprocessing:
    """What the user says of pixels, on top of the preset; by default the one that is usual for adapter and network.

    Where single numbers are said they stand on the adapter's own preset, whatever the network looks like.
    """
    numbers = (request.scale, request.mean, request.std)
    usual = adapter.preprocess if any(one is not None for one in numbers) else usual_preset(adapter, network)
    name = request.preprocess or usual
    if name not in PRESETS:
        raise InvalidArgument("BAD_ARGUMENT", f"there is no preprocessing '{name}'; there are: {', '.join(PRESETS)}")
    if request.std is not None and 0.0 in request.std:
        raise InvalidArgument("BAD_ARGUMENT", "--std must not be 0")
    return PRESETS[name].change(request.scale, request.mean, request.std, request.bgr)


def usual_preset(adapter: Adapter, network: Network) -> str:
    """The preset that is guessed where the user names none."""
    if network.normalises_itself:
        return "raw"
    if adapter.name == "detr" and any(tensor.name == "dets" for tensor in network.outputs):
        return "imagenet"  # RF-DETR calls them so, and its backbone wants that
    if adapter.preprocess != "imagenet":
        return adapter.preprocess
    if network.channels == 1 or is_ultralytics_classifier(network.metadata):
        return "zero-one"
    return "tensorflow" if network.is_tensorflow else "imagenet"


def retell(request: Request, adapter: str, preprocessing: Preprocessing) -> str:
    """The command that does the same again, without folders: what was decided by default is said."""
    told: list[tuple[str, object]] = [
        ("--task", request.task),
        ("--licence", request.licence),
        ("--adapter", adapter),
        *(("--output", name) for name in request.output),
        ("--labels", request.labels and request.labels.name),
        ("--layout", request.layout),
        ("--scores", request.scores),
        ("--boxes", ",".join(word for word in (request.boxes, request.form) if word) or None),
        ("--priors", request.priors and show(request.priors)),
        ("--cut", request.cut),
        ("--scale", preprocessing.scale),
        ("--mean", ",".join(f"{value:g}" for value in preprocessing.mean)),
        ("--std", ",".join(f"{value:g}" for value in preprocessing.std)),
        ("--input-size", _size(request.input_size)),
        ("--resize", request.resize),
        ("--crop", request.crop),
        ("--pad", request.pad_value),
        ("--pad-at", request.pad_at),
        ("--face-crop", request.face_crop),
    ]
    words = [word for option, value in told if value is not None for word in (option, str(value))]
    switches = ["--bgr" if preprocessing.bgr else "--rgb", *(["--one-by-one"] if request.one_by_one else [])]
    return shlex.join(["convoy", "model", "import", request.network.name, *words, *switches])


def _size(size: tuple[int, int] | int | None) -> str | None:
    sides = (size,) if isinstance(size, int) else size
    return "x".join(str(side) for side in sides) if sides else None


def _read_lines(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text("utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError:
        raise InvalidArgument("BAD_ARGUMENT", f"{file} is not text in UTF-8; write one class name a line") from None
    for number, line in enumerate(lines, 1):
        if not line:
            raise InvalidArgument("BAD_ARGUMENT", f"{file}, line {number} is empty; write one class name a line")
        if (first := lines.index(line) + 1) != number:
            problem = f"'{line}' stands on lines {first} and {number}; give each class a name of its own"
            raise InvalidArgument("BAD_ARGUMENT", f"{file}: {problem}")
    if not lines:
        raise InvalidArgument("BAD_ARGUMENT", f"{file} is empty; write one class name a line")
    return lines
