"""What a foreign graph is, seen before anything is decided: its inputs and outputs, and which adapters fit."""

from collections.abc import Mapping
from dataclasses import dataclass

from convoy.core.errors import InvalidArgument
from convoy.importing.adapters import ADAPTERS
from convoy.importing.adapters.adapter import Adapter, Choices, Misfit, Probe, Reading
from convoy.importing.assembly import SEEN, join, keep_outputs
from convoy.importing.fixed_batch import open_fixed_batch
from convoy.importing.frame import Frame, choose_frame
from convoy.importing.network import Network, bad_network, read_network
from convoy.importing.preprocessing import Preprocessing
from convoy.importing.proof import Disproof, open_engine, random_images, run
from convoy.importing.request import Request, read_labels, read_preprocessing


@dataclass(frozen=True, eq=False)
class Inspection:
    """A graph and what is known of it. fits, misfits: by adapter's name, for the task that the user named."""

    request: Request
    network: Network
    frame: Frame
    labels: list[str]
    shapes: Mapping[str, tuple[int, ...]]
    """Outputs as they came for one picture of the frame's size."""
    fits: Mapping[str, Reading]
    misfits: Mapping[str, str]

    def choose(self) -> tuple[Adapter, Reading]:
        """The adapter that the user named, or the only one that fits. Raises InvalidArgument(UNKNOWN_LAYOUT)."""
        adapters, file, wanted = ADAPTERS[self.request.task], self.request.network, self.request.adapter
        if wanted is not None and wanted not in adapters:
            choices = ", ".join(adapters)
            raise InvalidArgument("BAD_ARGUMENT", f"{self.request.task} has no adapter '{wanted}'; it has: {choices}")
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


def inspect(request: Request) -> Inspection:
    """Read a graph, run it on a picture of random pixels, and try the task's adapters on what came out.

    Raises InvalidArgument: BAD_NETWORK, BAD_ARGUMENT.
    """
    network = read_network(request.network, request.layout)
    labels, frame = read_labels(request, network), choose_frame(network, request)
    usual = next(iter(ADAPTERS[request.task].values())).preprocess
    network = open_fixed_batch(network, frame, read_preprocessing(request, usual))
    choices = Choices(len(labels), request.scores, request.boxes)
    probes: dict[Preprocessing, Probe] = {}
    fits, misfits = {}, {}
    for adapter in ADAPTERS[request.task].values():
        preprocessing = read_preprocessing(request, adapter.preprocess)
        if preprocessing not in probes:
            probes[preprocessing] = probe_network(network, frame, preprocessing, request.output)
        try:
            fits[adapter.name] = adapter.read(probes[preprocessing], choices)
        except Misfit as misfit:
            misfits[adapter.name] = str(misfit)
    shapes = {name: array.shape for name, array in next(iter(probes.values())).outputs.items()}
    return Inspection(request, network, frame, labels, shapes, fits, misfits)


def probe_network(network: Network, frame: Frame, preprocessing: Preprocessing, wanted: tuple[str, ...]) -> Probe:
    """What the network gives for one picture of random pixels. wanted: the outputs to look at, in order; () for all."""
    names = [tensor.name for tensor in network.outputs]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise bad_network(network.file, f"it has no output {', '.join(missing)}; it has: {', '.join(names)}")
    height, width = frame.probe()
    try:
        engine = open_engine(join(network, network.model, preprocessing, frame.fixed, keep_outputs))
        outputs = run(engine, random_images(1, height, width))
    except Disproof as disproof:
        raise bad_network(network.file, f"ONNX Runtime cannot run it on {height}x{width} pixels: {disproof}") from None
    return Probe({name: outputs[SEEN + name] for name in wanted or names}, height, width)


def _unknown(inspection: Inspection, problem: str) -> InvalidArgument:
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in inspection.shapes.items())
    message = f"{inspection.request.network}: {problem}. Its outputs for one picture: {shapes}"
    return InvalidArgument("UNKNOWN_LAYOUT", message)
