"""Reads what a user says about a foreign graph."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter, Boxes, Form, PadAt, Priors, Resize, Scores
from convoy.importing.adapters.face_detection.retinaface import show
from convoy.importing.metadata import is_ultralytics_classifier, point_names
from convoy.importing.network import Layout, Network
from convoy.importing.preprocessing import PRESETS, Channels, Preprocessing


@dataclass(frozen=True)
class Request:
    """What the user says about a foreign graph; None takes it from the graph, the adapter or Convoy's defaults.

    input_size: (height, width) in pixels, or one number: both sides, or the longer one of a dynamic detector's input.
    window: level and width of the values of deep grey that become black to white.
    answer: of a network that makes pictures, the preset by which grey levels would become its answer's numbers.
    settled: the catalogue knows how to prepare this file's pixels, so nothing about them is a guess.
    """

    network: Path
    task: Task
    licence: str
    models: Path = Path("exported_models")
    name: str | None = None
    version: int | None = None
    labels: Path | tuple[str, ...] | None = None
    adapter: str | None = None
    output: tuple[str, ...] = ()
    preprocess: str | None = None
    answer: str | None = None
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
    window: tuple[float, float] | None = None
    points: tuple[str, ...] = ()
    one_by_one: bool = False
    detection_threshold: float | None = None
    iou_threshold: float | None = None
    match_threshold: float | None = None
    source: str = ""
    data_terms: str = ""
    settled: bool = False


def read_labels(request: Request, network: Network) -> list[str]:
    """Read the labels from the file, or else from the graph's metadata. Raises InvalidArgument(BAD_ARGUMENT)."""
    if request.task is Task.FACE_DETECTION:
        return ["face"]
    if request.task in (Task.FACE_EMBEDDING, Task.PICTURE_TO_PICTURE):
        return []
    if request.labels is None and network.labels:
        return network.labels
    if request.labels is None:
        raise InvalidArgument(
            "BAD_ARGUMENT", f"{request.network} has no labels; give them with --labels FILE, one per line"
        )
    return read_lines(request.labels) if isinstance(request.labels, Path) else list(request.labels)


def read_points(request: Request, network: Network) -> list[str]:
    """The names of the points: the user's, or else those of the graph's metadata; empty if nothing says."""
    return list(request.points) or point_names(network.metadata)


def read_preprocessing(request: Request, adapter: Adapter, network: Network) -> Preprocessing:
    """Combine the user's numbers with a preset: the user's, or else the usual one for adapter and network.

    If the user names single numbers and no preset, they change the adapter's own preset, whatever the network is.
    """
    numbers = (request.scale, request.mean, request.std)
    usual = adapter.preprocess if any(one is not None for one in numbers) else usual_preset(adapter, network)
    name = request.preprocess or usual
    preset = find_preset(name)
    if request.std is not None and 0.0 in request.std:
        raise InvalidArgument("BAD_ARGUMENT", "--std must not be 0")
    return preset.change(request.scale, request.mean, request.std, request.bgr)


def read_levels(request: Request) -> Preprocessing | None:
    """Read what the answer's numbers are, if the user says it. Raises InvalidArgument(BAD_ARGUMENT)."""
    if request.answer is None:
        return None
    if request.task is not Task.PICTURE_TO_PICTURE:
        raise InvalidArgument("BAD_ARGUMENT", f"--answer: {request.task} gives no pictures")
    return find_preset(request.answer)


def find_preset(name: str) -> Preprocessing:
    """Return the preset with this name. Raises InvalidArgument(BAD_ARGUMENT)."""
    if name not in PRESETS:
        raise InvalidArgument("BAD_ARGUMENT", f"there is no preprocessing '{name}'; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def usual_preset(adapter: Adapter, network: Network) -> str:
    """Guess a preset if the user names none."""
    if network.normalises_itself:
        return "raw"
    if adapter.name == "detr" and any(tensor.name == "dets" for tensor in network.outputs):
        return "imagenet"  # RF-DETR has these names, and its backbone needs that preset
    if adapter.preprocess != "imagenet":
        return adapter.preprocess
    if network.channels == 1 or is_ultralytics_classifier(network.metadata):
        return "zero-one"
    return "tensorflow" if network.is_tensorflow else "imagenet"


def retell(request: Request, adapter: str, preprocessing: Preprocessing) -> str:
    """Write the command that repeats this import, without folders: it names what was decided by default."""
    told: list[tuple[str, object]] = [
        ("--task", request.task),
        ("--licence", request.licence),
        ("--adapter", adapter),
        *(("--output", name) for name in request.output),
        ("--labels", request.labels.name if isinstance(request.labels, Path) else None),
        ("--layout", request.layout),
        ("--scores", request.scores),
        ("--boxes", ",".join(word for word in (request.boxes, request.form) if word) or None),
        ("--priors", request.priors and show(request.priors)),
        ("--cut", request.cut),
        ("--scale", preprocessing.scale),
        ("--mean", ",".join(f"{value:g}" for value in preprocessing.mean)),
        ("--std", ",".join(f"{value:g}" for value in preprocessing.std)),
        ("--answer", request.answer),
        ("--input-size", _size(request.input_size)),
        ("--resize", request.resize),
        ("--crop", request.crop),
        ("--pad", request.pad_value),
        ("--pad-at", request.pad_at),
        ("--face-crop", request.face_crop),
        ("--window", request.window and ",".join(f"{value:g}" for value in request.window)),
        ("--points", ",".join(request.points) or None),
    ]
    words = [word for option, value in told if value is not None for word in (option, str(value))]
    switches = ["--bgr" if preprocessing.bgr else "--rgb", *(["--one-by-one"] if request.one_by_one else [])]
    return shlex.join(["convoy", "model", "import", request.network.name, *words, *switches])


def _size(size: tuple[int, int] | int | None) -> str | None:
    sides = (size,) if isinstance(size, int) else size
    return "x".join(str(side) for side in sides) if sides else None


def read_lines(file: Path) -> list[str]:
    """Read labels, one per line, all different. Raises InvalidArgument(BAD_ARGUMENT)."""
    try:
        lines = [line.strip() for line in file.read_text("utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError:
        raise InvalidArgument("BAD_ARGUMENT", f"{file} is not text in UTF-8; write one label per line") from None
    for number, line in enumerate(lines, 1):
        if not line:
            raise InvalidArgument("BAD_ARGUMENT", f"{file}, line {number} is empty; write one label per line")
        if (first := lines.index(line) + 1) != number:
            problem = f"'{line}' is on lines {first} and {number}; give each class its own label"
            raise InvalidArgument("BAD_ARGUMENT", f"{file}: {problem}")
    if not lines:
        raise InvalidArgument("BAD_ARGUMENT", f"{file} is empty; write one label per line")
    return lines
