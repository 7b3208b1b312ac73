"""Face detectors of the RetinaFace kind."""

from collections.abc import Sequence

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Choices, Misfit, Probe, Reading, Resize, reading_of
from convoy.importing.adapters.boxes import draw_cells, draw_corners, draw_landmarks, draw_sizes
from convoy.importing.adapters.scores import draw_scores, read_scores
from convoy.importing.sketch import Sketch

PRIOR_SIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
"""Stride -> the sides of its two square priors, in pixels."""
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2


class Retinaface:
    """Three outputs: loc [N, A, 4], conf [N, A, 2] with the background first, landms [N, A, 10].

    Priors: strides 8, 16, 32 one after another; in each rows, columns, and two squares in the middle of the cell, of 16
    and 32, 64 and 128, 256 and 512 pixels. Centre = prior's centre + 0.1 x (x, y) x prior's side, size = prior's side x
    exp(0.2 x (w, h)), landmark = prior's centre + 0.1 x offset x prior's side. conf is a softmax (the export in phase
    "test") or its logits. Input: BGR minus (104, 117, 123). Source: Pytorch_Retinaface, layers/functions/prior_box.py
    and utils/box_utils.py; Deng et al., RetinaFace, CVPR 2020.
    """

    name = "retinaface"
    task = Task.FACE_DETECTION
    layout = "loc [N, A, 4], conf [N, A, 2], landms [N, A, 10]; priors at strides 8, 16, 32, variances 0.1 and 0.2"
    preprocess = "retinaface"
    resize: Resize = "letterbox"
    stride = 32

    def read(self, probe: Probe, choices: Choices) -> Reading:
        """Find the three outputs by their shapes."""
        priors = sum(len(sides) * probe.cells(stride) for stride, sides in PRIOR_SIDES.items())
        by_width = {array.shape[-1]: name for name, array in probe.outputs.items() if array.shape[:2] == (1, priors)}
        if len(probe.outputs) != 3 or sorted(by_width) != [2, 4, 10]:
            raise Misfit(f"the outputs are not three, [N, {priors}, 4], [N, {priors}, 2] and [N, {priors}, 10]")
        names = [by_width[width] for width in (4, 2, 10)]
        return read_scores(reading_of(probe, names), probe.outputs[names[1]], choices, background=True)

    def draw(self, sketch: Sketch, values: Sequence[str], reading: Reading) -> dict[str, str]:
        """Decode boxes and landmarks from their priors."""
        loc, conf, landms = values
        centres = sketch.concat([draw_cells(sketch, stride, 2, offset=0.5) for stride in PRIOR_SIDES], axis=1)
        sides = sketch.concat(
            [draw_sizes(sketch, stride, [(side,) for side in pair]) for stride, pair in PRIOR_SIDES.items()], axis=1
        )
        reach = sketch.op("Mul", sides, CENTRE_VARIANCE)
        middle = sketch.op("Add", centres, sketch.op("Mul", sketch.part(loc, 0, 2, axis=2), reach))
        growth = sketch.op("Exp", sketch.op("Mul", sketch.part(loc, 2, 4, axis=2), SIZE_VARIANCE))
        return {
            "boxes": draw_corners(sketch, middle, sketch.op("Mul", sides, growth)),
            "scores": draw_scores(sketch, conf, reading),
            "landmarks": draw_landmarks(sketch, centres, sketch.op("Mul", landms, reach)),
        }
