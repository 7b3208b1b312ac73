"""Inspects a foreign graph before any decision: its inputs and outputs, and which adapters fit."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import InputSpec, Task
from convoy.core.pictures.decoding import Pixels
from convoy.importing.adapters import ADAPTERS
from convoy.importing.adapters.adapter import Adapter, Array, Choices, Misfit, Probe, Reading, Seen, WrongShapeError
from convoy.importing.adapters.plausibility import check_boxes, check_face
from convoy.importing.convolutional import LOCAL, MAKING
from convoy.importing.fixed_batch import open_fixed_batch
from convoy.importing.frame import Frame, choose_frame
from convoy.importing.metadata import check_licence, check_task
from convoy.importing.network import Network, bad_network, read_network
from convoy.importing.original import Original
from convoy.importing.pictures import trials
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof
from convoy.importing.request import Request, read_labels, read_levels, read_points, read_preprocessing
from convoy.importing.sides import check_opened, find_stride

NOT_FINITE = "is not all finite"
BOXED = (Task.DETECTION, Task.FACE_DETECTION)


@dataclass(frozen=True, eq=False)
class Inspection:
    """A graph and what is known about it. fits, misfits: by adapter's name, for the task that the user named."""

    request: Request
    network: Network
    original: Original
    prober: "Prober"
    choices: Choices
    frame: Frame
    labels: list[str]
    shapes: Mapping[str, tuple[int, ...]]
    """The shapes of the outputs for one picture of the frame's size."""
    fits: Mapping[str, Reading]
    misfits: Mapping[str, str]

    def choose(self) -> tuple[Adapter, Reading]:
        """Choose the adapter that the user named, or the only one that fits. Raises InvalidArgument(UNKNOWN_LAYOUT)."""
        adapters, file, wanted = ADAPTERS[self.request.task], self.request.network, self.request.adapter
        if wanted is not None and wanted in self.misfits:
            raise _unknown(self, f"the adapter {wanted} does not fit: {self.misfits[wanted]}")
        if wanted is None and not self.fits:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.misfits.items())
            raise _unknown(self, f"no adapter of {self.request.task} fits ({reasons})")
        if wanted is None and len(self.fits) > 1:
            message = f"{file}: several adapters fit; choose one with --adapter: {', '.join(self.fits)}"
            raise InvalidArgument("UNKNOWN_LAYOUT", message)
        name = wanted or next(iter(self.fits))
        return adapters[name], self.fits[name]


@dataclass
class Prober:
    """Runs the original file on random pixels and on the bundled picture, once for each way to prepare pixels."""

    request: Request
    network: Network
    original: Original
    frame: Frame
    probes: dict[tuple[Preprocessing, str], Probe] = field(default_factory=dict)

    def probe(self, adapter: Adapter) -> Probe:
        """Run the network on pixels prepared as the user says, or else as usual for the adapter."""
        how = read_preprocessing(self.request, adapter, self.network)
        spec = self.frame.spec(self.request, adapter)
        key = (how, spec.model_dump_json())
        if key not in self.probes:
            self.probes[key] = self.run(how, spec)
        return self.probes[key]

    def run(self, how: Preprocessing, spec: InputSpec) -> Probe:
        """Raises InvalidArgument(BAD_NETWORK)."""
        shown = trials(*self.frame.probe(), spec)
        probe = self.look(how, [trial.image_rgb for trial in shown])
        faces = [trial.face_xyxy for trial in shown]
        seen = (replace(one, face_xyxy=face) for one, face in zip(probe.seen, faces, strict=True))
        return replace(probe, seen=tuple(seen))

    def look(self, how: Preprocessing, images: Sequence[Pixels]) -> Probe:
        """Run the network on pictures of one size. Raises InvalidArgument(BAD_NETWORK)."""
        height, width = images[0].shape[:2]
        try:
            seen = tuple(Seen(self._wanted(self.original.run(image, how))) for image in images)
        except Disproof as disproof:
            problem = f"ONNX Runtime cannot run it on {height}x{width} pixels: {disproof}"
            raise bad_network(self.network.file, problem) from None
        return Probe(seen, height, width, self.network.ends, self.network.best_of, how)

    def _wanted(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs to use, in order."""
        return {name: outputs[name] for name in self.request.output or outputs}


def inspect(request: Request) -> Inspection:
    """Read a graph, run it on random pixels and the bundled picture, and try the task's adapters on its outputs.

    Raises InvalidArgument: BAD_NETWORK, BAD_ARGUMENT.
    """
    adapters = ADAPTERS[request.task]
    if request.adapter is not None and request.adapter not in adapters:
        message = f"{request.task} has no adapter '{request.adapter}'; it has: {', '.join(adapters)}"
        raise InvalidArgument("BAD_ARGUMENT", message)
    network = read_network(request.network, request.layout, opens=_opens(request))
    check_task(network.metadata, request.task, request.network)
    check_licence(network.metadata, request.licence, request.network)
    _check_outputs(network, request)
    labels, frame = read_labels(request, network), choose_frame(network, request)
    first = next(iter(adapters.values()))
    network = open_fixed_batch(network, frame, read_preprocessing(request, first, network))
    try:
        original = Original(network)
    except Disproof as disproof:
        raise bad_network(network.file, f"ONNX Runtime cannot run it: {disproof}") from None
    adapter = adapters[request.adapter] if request.adapter else next(iter(adapters.values()))
    network = open_fixed_batch(network, frame, read_preprocessing(request, adapter, network))
    if frame.tiles:
        how = read_preprocessing(request, adapter, network)
        check_opened(network, original, how)
        stride = find_stride(network, original, how)
        frame = replace(frame, stride=stride)
    prober = Prober(request, network, original, frame)
    points = len(read_points(request, network)) or None
    choices = Choices(
        len(labels),
        request.scores,
        request.boxes,
        request.form,
        request.priors,
        request.cut,
        request.adapter,
        points,
        read_levels(request),
    )
    fits, misfits, wrong_shapes = {}, {}, set()
    for adapter in adapters.values() if request.adapter is None else [adapters[request.adapter]]:
        try:
            _check_shapes(adapter, prober, choices)
            probe = prober.probe(adapter)
            _check_finite(probe)
            fits[adapter.name] = _check_sense(adapter, adapter.read(probe, choices), probe)
        except Misfit as misfit:
            misfits[adapter.name] = str(misfit)
            wrong_shapes |= {adapter.name} if isinstance(misfit, WrongShapeError) else set()
    endless = [reason for reason in misfits.values() if reason.endswith(NOT_FINITE)]
    if endless and len(endless) == len(misfits) - len(wrong_shapes) and not fits:
        raise bad_network(network.file, endless[0])
    shapes = {name: array.shape for name, array in next(iter(prober.probes.values())).outputs.items()}
    return Inspection(request, network, original, prober, choices, frame, labels, shapes, fits, misfits)


def _check_shapes(adapter: Adapter, prober: Prober, choices: Choices) -> None:
    """Raise WrongShapeError if earlier outputs show the wrong shape, which saves a run with this adapter's pixels."""
    for probe in list(prober.probes.values())[:1]:
        try:
            with np.errstate(all="ignore"):  # these pixels are not prepared for this one
                adapter.read(probe, choices)
        except WrongShapeError:
            raise
        except Misfit:
            return


def _check_finite(probe: Probe) -> None:
    for one in probe.seen:
        for name, array in one.outputs.items():
            if not np.isfinite(np.asarray(array, np.float64)).all():
                raise Misfit(f"its output {name} {NOT_FINITE}")


def _check_sense(adapter: Adapter, reading: Reading, probe: Probe) -> Reading:
    """Add notes from the bundled picture. Raises Misfit if boxes are impossible or a face is in the wrong place."""
    notes = list(reading.notes)
    if adapter.task not in BOXED:
        return reading
    for one in probe.seen:
        with np.errstate(all="ignore"):  # `check_boxes` reports an overflow
            decoded = adapter.decode(
                [one.outputs[name] for name in reading.outputs], probe.height, probe.width, reading
            )
        check_boxes(decoded, probe.height, probe.width, adapter.dense, adapter.crosses)
        if adapter.task is Task.FACE_DETECTION and one.face_xyxy is not None:
            notes.append(check_face(decoded, one.face_xyxy))
    return replace(reading, notes=tuple(notes))


def _opens(request: Request) -> Set[str]:
    """The operators of a graph whose lengths are freed: for detectors, for networks that make pictures, which may have
    more of them, or if the user names a size.
    """
    if request.task is Task.PICTURE_TO_PICTURE:
        return MAKING
    return LOCAL if request.task in BOXED or request.input_size is not None else frozenset()


def _check_outputs(network: Network, request: Request) -> None:
    names = [tensor.name for tensor in network.outputs]
    missing = [name for name in request.output if name not in names]
    if missing:
        raise bad_network(network.file, f"it has no output {', '.join(missing)}; it has: {', '.join(names)}")


def _landmarks_hint(inspection: Inspection) -> str:
    """Make the hint for a face detector that gives only boxes and scores."""
    shapes = list(inspection.shapes.values())
    boxes = [shape for shape in shapes if len(shape) == 3 and shape[-1] == 4]
    if inspection.request.task is not Task.FACE_DETECTION or len(shapes) != 2 or len(boxes) != 1:
        return ""
    return (
        ". It gives boxes but no landmarks, which turn faces upright: take a network that has them, or import it with "
        "--task detection and a file of labels that has the line `face`"
    )


def _unknown(inspection: Inspection, problem: str) -> InvalidArgument:
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in inspection.shapes.items())
    problem += _landmarks_hint(inspection)
    message = f"{inspection.request.network}: {problem}. Its outputs for one picture: {shapes}"
    return InvalidArgument("UNKNOWN_LAYOUT", message)
