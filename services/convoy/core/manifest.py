"""The contract between training and serving: a model is a folder `<name>/<version>/` with model.onnx and manifest.json.

The graph takes RGB pixels, uint8 or float32 from 0 to 255, NHWC, dynamic batch, under the name `images`. It gives
decoded outputs, which need no more arithmetic than suppression:

| task           | outputs (float32 unless noted)                                                              |
|----------------|---------------------------------------------------------------------------------------------|
| classification | probabilities [N, C]                                                                        |
| detection      | boxes [N, A, 4] xyxy in input pixels, scores [N, A, C]; before non-maximum suppression      |
| segmentation   | class_map uint8 [N, H, W]                                                                   |
| face_detection | boxes [N, A, 4], scores [N, A, 1], landmarks [N, A, 5, 2] in input pixels; before NMS       |
| face_embedding | embeddings [N, D], unit length; the input is an aligned 112x112 face                        |
| picture_to_picture | pictures [N, H x scale, W x scale, 1 or 3], not yet mapped to 0..255; see PictureSpec   |
| embedding      | embeddings [N, D], unit length, of a picture of anything                                    |
| volume_segmentation | class_map uint8 [N, slices, H, W]; the input is a block of slices; see VolumeSpec      |
| signal_classification | probabilities [N, C]; the input is a signal; see SignalSpec                          |

A detection graph may also give masks (see MaskSpec) and named points [N, A, K, 2 or 3]: x, y in input pixels and, if
there are three numbers, how sure it is that the point is visible, 0 to 1.

A picture_to_picture graph may take further channels after red, green and blue: a map of the noise level, a mask, the
weight of each style. A signal is a picture of one row, float32 [N, 1, samples, channels], in its own unit. A
block of a volume is a picture whose channels are grey slices, [N, H, W, slices].
"""

import hashlib
import json
import mmap
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)

from convoy.core.errors import FailedPrecondition

GRAPH_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
INPUT_NAME = "images"
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Model names must also be valid folder names."""
VERSION = r"^[1-9][0-9]*$"
MAX_SIDE = 4096
"""In pixels. The bound keeps a mistyped size from taking all memory."""
MAX_SAMPLES = 65536
"""Of a signal."""
MAX_SIGNAL_CHANNELS = 64


Resize = Literal["stretch", "letterbox", "center_crop", "aligned", "tiles", "none"]
"""How to bring a picture to the graph's size; InputSpec explains each way."""
Precision = Literal["float32", "float16", "int8"]
"""What the graph's weights are."""


class Task(StrEnum):
    """What a model does."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"
    SEGMENTATION = "segmentation"
    FACE_DETECTION = "face_detection"
    FACE_EMBEDDING = "face_embedding"
    PICTURE_TO_PICTURE = "picture_to_picture"
    EMBEDDING = "embedding"
    SIGNAL_CLASSIFICATION = "signal_classification"
    VOLUME_SEGMENTATION = "volume_segmentation"


OUTPUT_NAMES: dict[Task, tuple[str, ...]] = {
    Task.CLASSIFICATION: ("probabilities",),
    Task.DETECTION: ("boxes", "scores"),
    Task.SEGMENTATION: ("class_map",),
    Task.FACE_DETECTION: ("boxes", "scores", "landmarks"),
    Task.FACE_EMBEDDING: ("embeddings",),
    Task.PICTURE_TO_PICTURE: ("pictures",),
    Task.EMBEDDING: ("embeddings",),
    Task.SIGNAL_CLASSIFICATION: ("probabilities",),
    Task.VOLUME_SEGMENTATION: ("class_map",),
}

LABELLED = (
    Task.CLASSIFICATION,
    Task.DETECTION,
    Task.SEGMENTATION,
    Task.SIGNAL_CLASSIFICATION,
    Task.VOLUME_SEGMENTATION,
)
"""The tasks whose models need labels."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}$")]
"""A file's name without a folder, so that it cannot lead out of the model's folder."""
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])([^\x00-\x1f]{1,127})", re.DOTALL)
"""One entry (field 1: key, field 2: value) of a tensor's external data, in protobuf's wire format."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Part(BaseModel):
    """Base of every part of a manifest. It refuses unknown keys, so that you notice a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class GreyWindow(Part):
    """The values of grey of more than 8 bits that become black to white, as a radiologist sets them.

    level: the value in the middle, as it stands in the file (JPEG 2000: scaled to 16 bits); width: how many values lie
    between black and white. Other pictures stay as they are.
    """

    level: float = Field(allow_inf_nan=False)
    width: float = Field(gt=0.0, allow_inf_nan=False)


class InputSpec(Part):
    """How a picture becomes the graph's input.

    height, width: pixels; None if the graph takes any multiple of `stride`, and then `long_side` bounds the input.
    resize: stretch (ignore the aspect ratio), letterbox (keep it, pad with `pad_value`), center_crop (scale the short
    side, cut the middle out), aligned (a face, warped to the 112x112 reference), tiles (the picture keeps its size; the
    graph takes it in tiles of at most `long_side`, the overlap of PictureSpec included), none (a signal: one row, as
    wide as it has samples).
    pad_at: where to pad a letterbox: at its right and lower end, or evenly on both sides. crop: the share of the
    picture's middle to use, such as 0.875 for 224 of 256 pixels. center_crop takes this share of the largest part with
    the input's aspect ratio; stretch takes it of the whole picture. face_crop: side of the square around a face that a
    classifier of faces takes, as a multiple of the face's box; None if the classifier takes whole pictures. window:
    which values of deep grey become black and white; None for all that the file's bits can hold.
    """

    height: int | None = Field(default=None, ge=1, le=MAX_SIDE)
    width: int | None = Field(default=None, ge=1, le=MAX_SAMPLES)
    stride: int = Field(default=1, ge=1, le=256)
    long_side: int | None = Field(default=None, ge=1, le=MAX_SIDE)
    resize: Resize
    pad_value: int = Field(default=114, ge=0, le=255)
    pad_at: Literal["end", "both"] = "end"
    crop: float = Field(default=1.0, gt=0.0, le=1.0)
    face_crop: float | None = Field(default=None, gt=0.0, le=10.0)
    window: GreyWindow | None = None

    @model_validator(mode="after")
    def _sizes_are_known(self) -> Self:
        if (self.height is None) != (self.width is None):
            raise ValueError("input: give both height and width, or neither")
        if self.height is None and (self.resize not in ("letterbox", "tiles") or self.long_side is None):
            raise ValueError("input: a dynamic size needs resize=letterbox or tiles, and long_side")
        if self.resize != "none" and (self.width or 0) > MAX_SIDE:
            raise ValueError(f"input: width is at most {MAX_SIDE}")
        if self.resize == "tiles" and self.height is not None:
            raise ValueError("input: resize=tiles needs a dynamic size")
        if self.crop != 1.0 and self.resize not in ("center_crop", "stretch"):
            raise ValueError("input: only resize=center_crop or stretch cuts a share out")
        if self.pad_at != "end" and self.resize != "letterbox":
            raise ValueError("input: only resize=letterbox pads")
        return self


Colour = Literal["rgb", "luminance", "channels"]
Border = Literal["reflect", "zero"]
Mapping0To255 = Literal["as_is", "absolute", "centred"]
ExtraInput = Literal["noise_level", "mask"]
MAX_STYLES = 16


class PictureSpec(Part):
    """How a graph makes a picture of a picture.

    scale: pixels of the answer for each pixel of the input, along each axis. colour: what the graph is given: `rgb`
    (red, green and blue, which it changes together), `luminance` (the brightness in all three channels; the colours
    stay) or `channels` (each channel by itself). border: what lies around the picture: its mirror image, or zeros.
    mapping: how numbers become pixels: `as_is` (cut at 0 and 255), `absolute` (the sign is dropped first), `centred`
    (128 is added first). overlap: pixels of the input on each side of a pixel on which its answer may depend.
    trimmed: whether the graph leaves these out itself (border `valid`), so that its answer is smaller. whole: whether
    each pixel of the answer depends on the whole picture; then it is not cut, and a side above `long_side` is refused.
    inputs: further channels after the first three, in this order; one for each of the manifest's labels follows, which
    are its styles.
    noise_level: for calls that name none, in grey levels. max_noise_level: the highest one that was trained.
    """

    scale: Literal[1, 2, 3, 4] = 1
    colour: Colour = "rgb"
    border: Border = "reflect"
    mapping: Mapping0To255 = "as_is"
    overlap: int = Field(default=0, ge=0, le=256)
    trimmed: bool = False
    whole: bool = False
    inputs: list[ExtraInput] = []
    noise_level: float | None = Field(default=None, ge=0.0, le=255.0)
    max_noise_level: float | None = Field(default=None, ge=0.0, le=255.0)

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError("picture: each of the inputs must be unique")
        levels = (self.noise_level, self.max_noise_level)
        if ("noise_level" in self.inputs) != all(level is not None for level in levels):
            raise ValueError("picture: inputs has noise_level exactly if noise_level and max_noise_level are given")
        if self.noise_level is not None and self.noise_level > (self.max_noise_level or 0.0):
            raise ValueError("picture: noise_level is above max_noise_level")
        return self


class SignalSpec(Part):
    """Which signals a graph takes. rate_hz: samples of each channel in a second; length: samples of each channel.

    unit: of the samples, such as mV; the graph may depend on it.
    """

    rate_hz: float = Field(gt=0.0, allow_inf_nan=False)
    length: int = Field(ge=2, le=MAX_SAMPLES)
    channels: int = Field(default=1, ge=1, le=MAX_SIGNAL_CHANNELS)
    unit: str = ""


class VolumeSpec(Part):
    """How a graph takes a volume: in blocks of so many grey slices.

    context: slices at each end of a block whose answers are not used, since the graph sees too little beside them; at
    the ends of the volume they are.
    """

    slices: int = Field(ge=2, le=8)
    context: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _leaves_answers(self) -> Self:
        if 2 * self.context >= self.slices:
            raise ValueError("volume: the context leaves no slice of a block")
        return self


MaskForm = Literal["prototypes", "boxes"]
MAX_POINTS = 1024


class MaskSpec(Part):
    """How a detector gives the mask of each object, as logits: above 0 is inside.

    form: `prototypes`: the outputs prototypes [N, M, h, w], which cover the whole input, and coefficients [N, A, M]; a
    mask is the sum of the prototypes with its coefficients as weights (Bolya et al. 2019, arXiv:1904.02689). `boxes`:
    the output masks [N, A, m, m], each of which covers its own box (He et al. 2017, arXiv:1703.06870).
    """

    form: MaskForm


MASK_OUTPUTS: dict[MaskForm, tuple[str, ...]] = {"prototypes": ("prototypes", "coefficients"), "boxes": ("masks",)}


class Thresholds(Part):
    """Thresholds for calls that name none."""

    detection: Share | None = None
    iou: Share | None = None
    match: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None


class Metric(Part):
    """One measured number: its value on `n` items of a split of a dataset, and the command that measures it again."""

    name: str
    value: float
    dataset: str
    split: str
    n: int = Field(ge=1)
    command: str
    interval: tuple[float, float] | None = None
    """95 % confidence interval."""
    condition: str = ""
    """What the number covers, for example only faces of 32 pixels and more."""


class GenuineCalibration(Part):
    """Cosine similarity against the false non-match rate, from pairs of photos of one person.

    similarity: rising; false_non_match_rate: the share of photos that stay below it, compared with one other photo of
    their person; each photo counts once. upper: the upper end of its 95 % interval. pairs: how many were compared.
    """

    dataset: str
    split: str
    pairs: int = Field(ge=1)
    similarity: list[float] = Field(min_length=2)
    false_non_match_rate: list[Share] = Field(min_length=2)
    upper: list[Share] = []

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.similarity) != len(self.false_non_match_rate) or len(self.upper) not in (0, len(self.similarity)):
            raise ValueError("calibration.genuine: the lists differ in length")
        if any(b <= a for a, b in zip(self.similarity, self.similarity[1:], strict=False)):
            raise ValueError("calibration.genuine: similarity must rise")
        rates = self.false_non_match_rate
        if rates != sorted(rates):
            raise ValueError("calibration.genuine: false_non_match_rate must not fall")
        return self


class FalseMatches(Part):
    """Cosine similarity against the false-match rate, from impostor pairs.

    similarity: rising; false_match_rate: the share of impostor pairs at or above it; upper: the upper end of its 95 %
    interval. Rates that are too low to count in these pairs come from `tail_model`; if it is empty, there are none.
    """

    dataset: str
    split: str
    impostor_pairs: int = Field(ge=1)
    similarity: list[float] = Field(min_length=2)
    false_match_rate: list[float] = Field(min_length=2)
    upper: list[float] = []
    tail_model: str = ""
    command: str

    @model_validator(mode="after")
    def _is_monotonic(self) -> Self:
        if len(self.similarity) != len(self.false_match_rate) or len(self.upper) not in (0, len(self.similarity)):
            raise ValueError("calibration: the lists differ in length")
        if any(b <= a for a, b in zip(self.similarity, self.similarity[1:], strict=False)):
            raise ValueError("calibration: similarity must rise")
        if any(b > a for a, b in zip(self.false_match_rate, self.false_match_rate[1:], strict=False)):
            raise ValueError("calibration: false_match_rate must not rise")
        if any(rate <= 0 or rate > 1 for rate in self.false_match_rate):
            raise ValueError("calibration: rates must be above 0 and at most 1")
        return self


class Calibration(FalseMatches):
    """What an embedder's similarities mean.

    Its own table is of people in different photos. same_photo: the table of two people in one photo, who share camera
    and light; genuine: how similar photos of one person are. None where it was not measured. It is then left out of the
    file, which version 0.1.0 can read.
    """

    same_photo: FalseMatches | None = None
    genuine: GenuineCalibration | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_missing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if value is not None}


class Training(Part):
    """Where the weights come from, and under which terms you may use them."""

    recipe: str
    """The recipe as `convoy-train fit` read it, or a description of a foreign model."""
    command: str
    data: list[str]
    data_terms: str
    seed: int | None = None
    framework: str = ""
    trained: str = ""
    """How much of the training was done: `20 epochs`, or `epoch 1 of 4` for a run that was cut and published so."""


class Export(Part):
    """How the graph was made, and how far its answers are from the original network's."""

    opset: int
    max_abs_difference: float | None = None
    """Largest difference between ONNX Runtime and PyTorch on real pictures."""
    tolerance: float | None = None
    images_compared: int = 0


_NEWER = ("picture", "signal", "volume", "masks", "points")
"""Keys that version 0.1.0 does not know; a manifest that does not need them leaves them out."""


class Manifest(Part):
    """Everything that a service needs to know about a model."""

    format: Literal["convoy/1"] = "convoy/1"
    name: str = Field(pattern=NAME)
    version: str = Field(pattern=VERSION)
    task: Task
    architecture: str
    precision: Precision = "float32"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of model.onnx."""
    files: dict[FileName, Digest] = {}
    """SHA-256 of every other file that the graph needs, such as external weights."""
    input: InputSpec
    picture: PictureSpec | None = None
    """Of picture_to_picture alone; left out of other manifests, which version 0.1.0 can read."""
    signal: SignalSpec | None = None
    """Of signal_classification alone; left out of other manifests."""
    volume: VolumeSpec | None = None
    """Of volume_segmentation alone; left out of other manifests."""
    labels: list[str] = []
    masks: MaskSpec | None = None
    """Of detectors that also give masks; left out of other manifests, which version 0.1.0 can read."""
    points: list[str] = []
    """Names of the points that a detector finds on each object; left out where there are none, as `masks` is."""
    palette: list[tuple[int, int, int]] = []
    """RGB colours in which to draw the classes of a mask."""
    embedding_size: int | None = None
    thresholds: Thresholds = Thresholds()
    metrics: list[Metric] = []
    calibration: Calibration | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    licence: str
    training: Training
    export: Export

    @model_validator(mode="after")
    def _fits_task(self) -> Self:
        if self.task is Task.FACE_DETECTION and not self.labels:
            self.labels = ["face"]
        if self.task in LABELLED and not self.labels:
            raise ValueError(f"labels: a model for {self.task} needs them")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: each must be unique")
        if self.input.face_crop is not None and self.task is not Task.CLASSIFICATION:
            raise ValueError("input: face_crop is only for classifiers of faces")
        if self.task in (Task.FACE_EMBEDDING, Task.EMBEDDING) and not self.embedding_size:
            raise ValueError("embedding_size: an embedder needs it")
        if (self.masks is not None or self.points) and self.task is not Task.DETECTION:
            raise ValueError("masks and points are only for detection")
        if len(set(self.points)) != len(self.points) or len(self.points) > MAX_POINTS or "" in self.points:
            raise ValueError(f"points: give at most {MAX_POINTS} names, each unique and not empty")
        self._check_picture()
        self._check_signal()
        if (self.volume is None) == (self.task is Task.VOLUME_SEGMENTATION):
            raise ValueError("volume: needed for volume_segmentation, and for no other task")
        return self

    def _check_picture(self) -> None:
        if (self.picture is None) == (self.task is Task.PICTURE_TO_PICTURE):
            raise ValueError("picture: needed for picture_to_picture, and for no other task")
        if (self.input.resize == "tiles") != (self.picture is not None):
            raise ValueError("input: resize=tiles is for picture_to_picture, which needs it")
        if self.picture is None:
            return
        if len(self.labels) > MAX_STYLES:
            raise ValueError(f"labels: a graph has at most {MAX_STYLES} styles")
        overlap, stride = self.picture.overlap, self.input.stride
        if overlap % stride:
            raise ValueError("picture: overlap must be a multiple of the stride")
        if (self.input.long_side or 0) < 2 * overlap + stride:
            raise ValueError("input: long_side leaves no room between the overlaps")

    def _check_signal(self) -> None:
        if (self.signal is None) == (self.task is Task.SIGNAL_CLASSIFICATION):
            raise ValueError("signal: needed for signal_classification, and for no other task")
        if (self.input.resize == "none") != (self.signal is not None):
            raise ValueError("input: resize=none is for signals, which need it")
        if self.signal and (self.input.height, self.input.width) != (1, self.signal.length):
            raise ValueError("input: a signal is a row, as wide as it has samples")

    @property
    def channels(self) -> int:
        """How many channels the graph's input has."""
        if self.signal:
            return self.signal.channels
        if self.volume:
            return self.volume.slices
        return 3 + (len(self.picture.inputs) + len(self.labels) if self.picture else 0)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that the graph must have."""
        masks = MASK_OUTPUTS[self.masks.form] if self.masks else ()
        return (*OUTPUT_NAMES[self.task], *masks, *(("points",) if self.points else ()))

    def label_of(self, index: int) -> str:
        """Return the label of a class. Raises FailedPrecondition(BAD_MODEL) if it has none."""
        if index >= len(self.labels):
            message = f"{self.name} finds class {index} but has only {len(self.labels)} labels"
            raise FailedPrecondition("BAD_MODEL", message)
        return self.labels[index]

    @model_serializer(mode="wrap")
    def _without_what_is_newer(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if name not in _NEWER or value not in (None, [])}

    def save(self, folder: Path) -> None:
        """Write manifest.json into `folder`. If this fails, no partial file is left."""
        partial = folder / (MANIFEST_FILE + ".partial")
        partial.write_text(self.model_dump_json(indent=2) + "\n")
        partial.replace(folder / MANIFEST_FILE)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def outside_files(graph: Path) -> list[str]:
    """List the files in which a graph keeps external weights (ONNX's external data).

    This searches the graph's message for entries named `location`, so it needs no ONNX package.
    """
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = {match[2][: match[1][0]] for match in _LOCATION.finditer(content)}
    return sorted(name.decode("utf-8", "replace") for name in names)


def digest_files(folder: Path) -> dict[str, str]:
    """Compute the manifest's `files`: digests of the files that a graph needs. Raises OSError if one is missing."""
    return {name: digest(folder / name) for name in outside_files(folder / GRAPH_FILE)}


def load_manifest(folder: Path) -> Manifest:
    """Read a model's manifest and prove that it belongs to the graph beside it.

    Raises FailedPrecondition(BAD_MODEL), with one sentence that says what is wrong.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = Manifest.model_validate(json.loads(path.read_text()))
    except OSError:
        raise bad_model(folder, f"{MANIFEST_FILE} cannot be read") from None
    except ValueError as error:
        raise bad_model(folder, _first_problem(error)) from None
    except RecursionError:
        raise bad_model(folder, f"{MANIFEST_FILE} is nested too deeply") from None
    graph = folder / GRAPH_FILE
    if not graph.is_file():
        raise bad_model(folder, f"{GRAPH_FILE} is missing")
    found = digest(graph)
    if found != manifest.sha256:
        raise bad_model(folder, f"{GRAPH_FILE} has SHA-256 {found[:12]}…, the manifest says {manifest.sha256[:12]}…")
    _check_files(folder, manifest.files)
    if (folder.parent.name, folder.name) != (manifest.name, manifest.version):
        raise bad_model(folder, f"the manifest names {manifest.name}/{manifest.version}")
    return manifest


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, wanted in files.items():
        if not (folder / name).is_file():
            raise bad_model(folder, f"{name} is missing")
        found = digest(folder / name)
        if found != wanted:
            raise bad_model(folder, f"{name} has SHA-256 {found[:12]}…, the manifest says {wanted[:12]}…")


def bad_model(folder: Path, problem: str) -> FailedPrecondition:
    """Make the error for a folder that breaks the contract."""
    model = f"{folder.parent.name}/{folder.name}"
    return FailedPrecondition("BAD_MODEL", f"model {model}: {problem}", {"model": model})


def _first_problem(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return f"{MANIFEST_FILE} is not JSON: {error}"
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{MANIFEST_FILE}: {where + ': ' if where else ''}{message}"


def first_given(*choices: float | None) -> float:
    """Return the first choice that is not None, in the order caller, manifest, task."""
    return next(choice for choice in choices if choice is not None)
