"""Face detectors of the RetinaFace kind."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import (
    Adapter,
    Array,
    Choices,
    Misfit,
    Priors,
    Probe,
    Reading,
    Resize,
    WrongShapeError,
    reading_of,
)
from convoy.importing.adapters.arithmetic import around, cell_points, floats, landmarks, repeated
from convoy.importing.adapters.boxes import draw_cells, draw_corners, draw_landmarks, draw_sizes
from convoy.importing.adapters.plausibility import SURE_OF_A_FACE, see_face
from convoy.importing.adapters.scores import decode_scores, draw_scores, read_scores
from convoy.importing.sketch import Sketch

STRIDES = (8, 16, 32, 64)
KNOWN_PRIORS: tuple[Priors, ...] = (
    ((16, 32), (64, 128), (256, 512)),
    ((10, 20), (32, 64), (128, 256)),
    ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256)),
)
"""Priors of Pytorch_Retinaface, and of Face-Detector-1MB-with-landmark: RetinaFace with fewer channels; slim, RFB."""
SAME_PLACE, LEAST_OVERLAP = 0.1, 0.6
"""Overlaps of a box with the face: from the first it is a box of the face, from the second it also has the face's size
(a box with 1.3 times the sides has 0.6)."""
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2


class Retinaface(Adapter):
    """Three outputs: loc [N, A, 4], conf [N, A, 2] with the background first, landms [N, A, 10].

    Priors: strides 8, 16, 32 (and 64) one after another; in each rows, columns, and squares in the middle of the cell,
    of 16 and 32, 64 and 128, 256 and 512 pixels. Other networks with the same shapes have other squares, so the user
    or the face in the bundled picture decides. Centre = prior's centre + 0.1 x (x, y) x prior's side, size = prior's
    side x exp(0.2 x (w, h)), landmark = prior's centre + 0.1 x offset x prior's side. conf is a softmax (the export in
    phase "test") or its logits. Input: BGR minus (104, 117, 123). Source: Pytorch_Retinaface, prior_box.py and
    utils/box_utils.py; Face-Detector-1MB-with-landmark, data/config.py; Deng et al., RetinaFace, CVPR 2020.
    """

    name = "retinaface"
    task = Task.FACE_DETECTION
    layout = "loc [N, A, 4], conf [N, A, 2], landms [N, A, 10]; priors at strides 8, 16, 32, variances 0.1 and 0.2"
    preprocess = "retinaface"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the three outputs by their shapes, and the priors that find the face in the bundled picture."""
        names = _names(probe)
        rows = probe.outputs[names[0]].shape[1]
        candidates = [choices.priors] if choices.priors else list(KNOWN_PRIORS)
        fitting = [priors for priors in candidates if _count(priors, probe) == rows]
        if not fitting:
            wanted = " or ".join(f"{show(priors)} ({_count(priors, probe)})" for priors in candidates)
            raise WrongShapeError(f"its {rows} rows do not fit the priors {wanted}; give others with --priors")
        reading = read_scores(reading_of(probe, names), probe, names[1], choices, background="first")
        return self._choose(reading, fitting, probe, choices)

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Decode boxes and landmarks from their priors."""
        loc, conf, landms = values
        levels = list(zip(STRIDES, reading.priors, strict=False))
        centres = sketch.concat(
            [draw_cells(sketch, stride, len(sides), offset=0.5) for stride, sides in levels], axis=1
        )
        sides = sketch.concat(
            [draw_sizes(sketch, stride, [(side,) for side in sides]) for stride, sides in levels], axis=1
        )
        reach = sketch.op("Mul", sides, CENTRE_VARIANCE)
        middle = sketch.op("Add", centres, sketch.op("Mul", sketch.part(loc, 0, 2, axis=2), reach))
        growth = sketch.op("Exp", sketch.op("Mul", sketch.part(loc, 2, 4, axis=2), SIZE_VARIANCE))
        return {
            "boxes": draw_corners(sketch, middle, sketch.op("Mul", sides, growth)),
            "scores": draw_scores(sketch, conf, reading),
            "landmarks": draw_landmarks(sketch, centres, sketch.op("Mul", landms, reach)),
        }

    def decode(self, values: Sequence[Array], height: int, width: int, reading: Reading) -> dict[str, Array]:
        """Return centre and side of each prior."""
        loc, landms = floats(values[0]), floats(values[2])
        points, lengths = [], []
        for stride, sides in zip(STRIDES, reading.priors, strict=False):
            points.append(cell_points(height, width, stride, len(sides), offset=0.5))
            lengths.append(repeated(sides, cells=len(points[-1]) // len(sides)))
        centre, side = np.concatenate(points), np.concatenate(lengths)[:, None]
        boxes = around(centre + loc[..., :2] * 0.1 * side, side * np.exp(loc[..., 2:] * 0.2))
        marks = landmarks(centre, landms * 0.1 * side)
        return {"boxes": boxes, "scores": decode_scores(values[1], reading), "landmarks": marks}

    def _choose(self, reading: Reading, candidates: list[Priors], probe: Probe, choices: Choices) -> Reading:
        """Choose the priors that find the face in the bundled picture; the first, if none sees it. Raises Misfit."""
        seen = [(priors, *self._see(replace(reading, priors=priors), probe)) for priors in candidates]
        if all(score < SURE_OF_A_FACE for _, score, _ in seen) or choices.priors is not None:
            best = seen[
                0
            ]  # the import checks the user's priors later, by the boxes in the bundled picture, as for every adapter
        else:
            best = max(seen, key=lambda one: one[2])
            if SAME_PLACE <= best[2] < LEAST_OVERLAP:
                tried = ", ".join(f"{show(priors)} ({shared:.2f})" for priors, _, shared in seen)
                raise Misfit(
                    f"no known priors find the bundled picture's face (overlap by {tried}); give others with --priors"
                )
        note = f"priors are probably {show(best[0])} (--priors decides)"
        return replace(reading, priors=best[0], notes=(*reading.notes, *([] if choices.priors else [note])))

    def _see(self, reading: Reading, probe: Probe) -> tuple[float, float]:
        """Return score and overlap of the face in the bundled picture."""
        for one in probe.seen:
            if one.face_xyxy is not None:
                values = [one.outputs[name] for name in reading.outputs]
                with np.errstate(all="ignore"):
                    return see_face(self.decode(values, probe.height, probe.width, reading), one.face_xyxy)
        return 0.0, 0.0


def show(priors: Priors) -> str:
    """Write priors as --priors takes them."""
    return "/".join(",".join(f"{side:g}" for side in level) for level in priors)


def _names(probe: Probe) -> list[str]:
    """Find loc, conf and landms. Raises Misfit."""
    by_width = {array.shape[-1]: name for name, array in probe.outputs.items() if array.ndim == 3}
    rows = {array.shape[:2] for array in probe.outputs.values()}
    if len(probe.outputs) != 3 or sorted(by_width) != [2, 4, 10] or len(rows) != 1:
        raise WrongShapeError("the outputs are not the three [N, A, 4], [N, A, 2] and [N, A, 10]")
    return [by_width[width] for width in (4, 2, 10)]


def _count(priors: Priors, probe: Probe) -> int:
    return sum(len(sides) * probe.cells(stride) for stride, sides in zip(STRIDES, priors, strict=False))
