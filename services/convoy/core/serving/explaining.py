"""What the services share that explain their answers: read the options, look again and again, write the map.

A call is as much work as hundreds of others. So a service works on two at a time, each has only a few inputs in the
model's queue, where callers take turns, and the number of looks is bounded by the options.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, Task
from convoy.core.models.engine import Outputs
from convoy.core.models.few_at_a_time import FewAtATime
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.models.occlusion import Occlusion, Target
from convoy.core.models.pipeline import Pipeline
from convoy.core.pictures import heat
from convoy.core.pictures.decoding import Picture, Pixels, encode_png
from convoy.core.pictures.occlusion import LONGEST_SIDE, Floats, lay_out, map_size
from convoy.core.pictures.resizing import Placement, min_side
from convoy.core.serving.messages import image_size, pixels_of, read_image
from convoy.v1 import common_pb2
from convoy.v1 import explanation_pb2 as pb

_Seen = tuple[Pixels, Placement, Picture, Pixels | None]
"""A graph's input, where the picture lies in it, the picture's size, and the picture to lay the map over."""
Aim = Callable[[Outputs, Placement, Picture, int | None, Floats | None], Target]
"""From what the graph says of the whole picture to what is explained: a label, by index, at a place [4] of the picture;
None where the request leaves it to the graph."""
DEFAULT_CELLS, FEWEST_CELLS, MOST_CELLS = 8, 2, 24
_BYTES_A_PIXEL = 3
_MAP_BYTES = 16
"""A pixel of a map: as a float, scaled, and while it is laid over the picture."""
_KNOWN_LABELS = 20


@dataclass(frozen=True)
class Options:
    """How to look and what to answer, checked."""

    cells: int
    map_format: pb.MapFormat.ValueType
    overlay: bool


@dataclass(frozen=True)
class Explained:
    """A map, and what it is about; label: the target's name."""

    explanation: pb.Explanation
    target: Target
    label: str
    manifest: Manifest


@dataclass(frozen=True)
class Question:
    """A picture as the graph sees it, and what is asked of it.

    canvas: the graph's input [H, W, 3], of which `placement` shows the picture; score: of the whole picture; lay_out:
    from the values of cells [R, C] to a map of the picture; overlay: from cells and map to a picture, or None.
    """

    canvas: Pixels
    placement: Placement
    outline: Picture
    target: Target
    score: float
    lay_out: Callable[[Floats], Floats]
    overlay: Callable[[Floats, Floats], Pixels] | None


async def look_again(
    pipeline: Pipeline, model: LoadedModel, question: Question, options: Options, deadline: float | None
) -> pb.Explanation:
    """Take a picture through a model once for each place that is covered, and write what that changes."""

    def weigh(_: Question) -> int:
        width, height = map_size(question.outline)
        return width * height * _MAP_BYTES // _BYTES_A_PIXEL

    def start(_: Question) -> Occlusion:
        return Occlusion(question.canvas, question.placement, question.target, question.score, options.cells)

    def finish(work: Occlusion) -> pb.Explanation:
        return _write(work, question, options)

    (answer,) = await pipeline.run_tiles(model, [question], start, finish, weigh, deadline)
    return answer


class Explainer:
    """Explains answers of a host's models. prepare: the task's function from a picture to the graph's input."""

    def __init__(
        self,
        host: ModelHost,
        tasks: Collection[Task],
        prepare: Callable[[Picture, Manifest], tuple[Pixels, Placement]],
    ) -> None:
        self._host = host
        self._tasks = tasks
        self._prepare = prepare
        self._few = few_explanations()

    async def explain(self, request: Any, deadline: float | None, aim: Aim) -> Explained:
        """Explain what a model says of the picture of a request: `image`, `model`, `label`, `options`, perhaps `place`.

        What is wrong is refused before the looks. deadline: on time.monotonic's clock. Raises InvalidArgument,
        NotFound, FailedPrecondition(WRONG_TASK, BAD_MODEL, NOTHING_TO_EXPLAIN), ResourceExhausted(QUEUE_FULL),
        DeadlineExceeded.
        """
        options, place = read_options(request.options), place_of(request)
        model = await self._host.model(request.model.name, request.model.version, self._tasks)
        manifest, limits, pipeline = model.manifest, self._host.limits, self._host.pipeline
        index, smallest = index_of(request.label, manifest), min_side(manifest.input)

        def weigh(image: common_pb2.Image) -> int:
            return max(pixels_of(image, smallest), pixels_of(image, LONGEST_SIDE) if options.overlay else 0)

        def read(image: common_pb2.Image) -> tuple[Pixels, _Seen]:
            picture = read_image(image, limits, smallest, manifest.input.window)
            canvas, placement = self._prepare(picture, manifest)
            outline = picture.outline()
            del picture
            shown = _reduce(read_image(image, limits, LONGEST_SIDE, manifest.input.window)) if options.overlay else None
            return canvas, (canvas, placement, outline, shown)

        def ask(outputs: Outputs, seen: _Seen) -> Question:
            canvas, placement, outline, shown = seen
            target = aim(outputs, placement, outline, index, place)
            manifest.label_of(target.index)
            overlay = None if shown is None else lambda _, laid: heat.lay_over(shown, laid)
            score = target.score(outputs)
            return Question(
                canvas, placement, outline, target, score, lambda cells: lay_out(cells, placement, outline), overlay
            )

        async with self._few.place(remaining_s(deadline)):
            (question,) = await pipeline.run(model, [request.image], read, ask, weigh, deadline)
            answer = await look_again(pipeline, model, question, options, deadline)
        target = question.target
        return Explained(answer, target, manifest.label_of(target.index), manifest)


def few_explanations() -> FewAtATime:
    """The small queue for calls that explain."""
    return FewAtATime("explain an answer")


def remaining_s(deadline: float | None) -> float | None:
    """The seconds until a time of time.monotonic's clock."""
    return None if deadline is None else deadline - time.monotonic()


def read_options(options: pb.ExplanationOptions) -> Options:
    """Check the options of a request. Raises InvalidArgument(BAD_ARGUMENT)."""
    cells = options.cells or DEFAULT_CELLS
    if not FEWEST_CELLS <= cells <= MOST_CELLS:
        message = f"cells is {cells}; it must lie between {FEWEST_CELLS} and {MOST_CELLS}"
        raise InvalidArgument("BAD_ARGUMENT", message)
    map_format = options.map_format or pb.MAP_FORMAT_PNG
    if map_format not in (pb.MAP_FORMAT_PNG, pb.MAP_FORMAT_FLOAT32):
        raise InvalidArgument("BAD_ARGUMENT", f"the map format {map_format} is not known")
    return Options(cells, map_format, options.overlay)


def place_of(request: Any) -> Floats | None:
    """Return the place [4] that a request names, in pixels of the picture. Raises InvalidArgument(BAD_ARGUMENT)."""
    if "place" not in request.DESCRIPTOR.fields_by_name or not request.HasField("place"):
        return None
    place = request.place
    edges = np.array([place.x_min, place.y_min, place.x_max, place.y_max], np.float32)
    if not (np.isfinite(edges).all() and edges[0] < edges[2] and edges[1] < edges[3]):
        raise InvalidArgument("BAD_ARGUMENT", "the place has no area; give x_min below x_max and y_min below y_max")
    return edges


def index_of(label: str, manifest: Manifest) -> int | None:
    """Return the position of a label, None for an empty one. Raises InvalidArgument(BAD_ARGUMENT)."""
    if not label:
        return None
    if label in manifest.labels:
        return manifest.labels.index(label)
    known, more = ", ".join(manifest.labels[:_KNOWN_LABELS]), len(manifest.labels) - _KNOWN_LABELS
    rest = f" and {more} more" if more > 0 else ""
    raise InvalidArgument("BAD_ARGUMENT", f"{manifest.name} has no label '{label}'; it has: {known}{rest}")


def _reduce(picture: Picture) -> Pixels:
    size = map_size(picture)
    if picture.image_rgb.shape[1::-1] == size:
        return picture.image_rgb
    return np.asarray(cv2.resize(picture.image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(work: Occlusion, question: Question, options: Options) -> pb.Explanation:
    cells = work.cells()
    values = question.lay_out(cells)
    is_png = options.map_format == pb.MAP_FORMAT_PNG
    height, width = values.shape
    return pb.Explanation(
        map=encode_png(heat.to_grey(values)) if is_png else values.astype("<f4").tobytes(),
        map_format=options.map_format,
        map_size=common_pb2.Size(width=width, height=height),
        peak=heat.peak_of(values),
        score=work.score,
        overlay=b"" if question.overlay is None else encode_png(question.overlay(cells, values)),
        image_size=image_size(question.outline),
        looks=1 + len(work.tiles),
    )
