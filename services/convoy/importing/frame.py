"""Decides the size of a network's input: fixed by the graph, named by the user, or any."""

from dataclasses import dataclass

from pydantic import ValidationError

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import MAX_SIDE, InputSpec, Task
from convoy.importing.adapters.adapter import Adapter
from convoy.importing.metadata import input_size
from convoy.importing.network import Network, bad_network
from convoy.importing.request import Request

LONG_SIDE = 640
PROBE_STRIDE = 128
"""A multiple of every adapter's stride."""
TILE, TRIED = 512, 256
"""Pixels a side: of a tile, by default, and of the pictures with which the import tries a graph that takes tiles."""
USUAL: dict[Task, tuple[int, int]] = {Task.FACE_EMBEDDING: (112, 112)}


@dataclass(frozen=True)
class Frame:
    """The input in pixels. fixed: (height, width) if the graph takes only that size; long_side: its bound otherwise.

    tiles: pictures keep their size and are cut into tiles, whose sides are multiples of `stride`.
    """

    fixed: tuple[int, int] | None
    long_side: int = LONG_SIDE
    tiles: bool = False
    stride: int = 1

    def probe(self) -> tuple[int, int]:
        """A size that every adapter can read."""
        if self.tiles:
            return TRIED, TRIED
        return self.fixed or (_round_up(self.long_side, PROBE_STRIDE),) * 2

    def sizes(self, stride: int) -> list[tuple[int, int]]:
        """Sizes to test a graph with: if it takes any size, a square and one that is twice as wide as high."""
        if self.fixed:
            return [self.fixed]
        stride = max(stride, self.stride)
        side = _round_up(TRIED if self.tiles else self.long_side, stride)
        return [(side, side), (_round_up(side // 2, stride), side)]

    def spec(self, request: Request, adapter: Adapter) -> InputSpec:
        """Write the manifest's input, from the user or else from the adapter. Raises InvalidArgument(BAD_ARGUMENT)."""
        if self.tiles:
            return InputSpec(resize="tiles", stride=self.stride, long_side=self.long_side)
        facts: dict[str, object] = {
            "resize": request.resize or (adapter.resize if self.fixed else "letterbox"),
            "pad_value": adapter.pad_value if request.pad_value is None else request.pad_value,
            "face_crop": request.face_crop,
            "window": request.window and dict(zip(("level", "width"), request.window, strict=True)),
        }
        if facts["resize"] == "letterbox" or request.pad_at:
            facts["pad_at"] = request.pad_at or adapter.pad_at
        if request.crop is not None:
            facts |= {"crop": request.crop, "resize": request.resize or "center_crop"}
        if self.fixed:
            facts |= {"height": self.fixed[0], "width": self.fixed[1]}
        else:
            facts |= {"stride": adapter.stride, "long_side": self.long_side}
        try:
            return InputSpec.model_validate(facts)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            raise InvalidArgument("BAD_ARGUMENT", f"{where + ': ' if where else ''}{message}") from None


def choose_frame(network: Network, request: Request) -> Frame:
    """Raise InvalidArgument if graph and user disagree, or if neither names a size."""
    if request.task is Task.PICTURE_TO_PICTURE:
        return _choose_tiles(network, request)
    wanted, of_graph = request.input_size or input_size(network.metadata), network.size
    square = (wanted, wanted) if isinstance(wanted, int) else wanted
    if of_graph:
        if request.input_size and square != of_graph:
            height, width = of_graph
            raise bad_network(request.network, f"it takes only {height}x{width}; leave --input-size out")
        return Frame(of_graph)
    is_detector = request.task in (Task.DETECTION, Task.FACE_DETECTION)
    if is_detector and not isinstance(request.input_size, tuple) and request.resize in (None, "letterbox"):
        return Frame(None, max(wanted) if isinstance(wanted, tuple) else wanted or LONG_SIDE)
    fixed = square or USUAL.get(request.task)
    if fixed is None:
        raise InvalidArgument(
            "BAD_ARGUMENT", f"{request.network} takes any size; choose one with --input-size, such as 224"
        )
    return Frame(fixed)


def _choose_tiles(network: Network, request: Request) -> Frame:
    """Raise InvalidArgument if the graph takes only one size, or the user says what pictures in tiles do not have."""
    said = {"--resize": request.resize, "--crop": request.crop, "--pad": request.pad_value, "--pad-at": request.pad_at,
            "--face-crop": request.face_crop, "--window": request.window, "--labels": request.labels}  # fmt: skip
    if useless := [option for option, value in said.items() if value is not None]:
        told = "a picture keeps its size, in tiles, and has no labels"
        raise InvalidArgument("BAD_ARGUMENT", f"{', '.join(useless)}: not for {request.task}: {told}")
    if network.size:
        height, width = network.size
        told = "pictures come in any size: export it with dynamic height and width"
        raise bad_network(request.network, f"it takes only {height}x{width}, but {told}")
    wanted = request.input_size or TILE
    side = wanted if isinstance(wanted, int) else max(wanted)
    if side > MAX_SIDE:
        raise InvalidArgument("BAD_ARGUMENT", f"--input-size {side}: the longest side of a tile is {MAX_SIDE}")
    return Frame(None, side, tiles=True)


def _round_up(length: int, multiple: int) -> int:
    return max(1, -(-length // multiple)) * multiple
