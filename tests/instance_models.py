"""A tiny detector that also gives masks and points: the tiny detector's objects, cut out by their brightness."""

from pathlib import Path

import onnx
import onnx.parser
from convoy.core.manifest import (
    GRAPH_FILE,
    Export,
    InputSpec,
    Manifest,
    MaskSpec,
    Task,
    Thresholds,
    Training,
    digest,
)
from convoy.testing.tiny_models import DETECTOR, HEADER

NAME = "masks"
POINTS = ["upper_left", "lower_right"]
MASKS = """
    fifty = Constant <value_float = 50.0> ()
    brighter = Sub (grey, bright_limit)
    darker = Sub (fifty, grey)
    brighter_4d = Unsqueeze (brighter, rows)
    darker_4d = Unsqueeze (darker, rows)
    prototypes = Concat <axis = 1> (brighter_4d, darker_4d)
    weights = Constant <value = float[1, 3, 2] {1, 0, 1, 0, 0, 1}> ()
    nothing = Mul (bright_box, zero)
    none, also_none = Split <axis = 2, num_outputs = 2> (nothing)
    coefficients = Add (weights, none)
    points_shape = Constant <value_ints = [0, 0, 2, 2]> ()
    corners = Reshape (boxes, points_shape)
    three = Constant <value_ints = [3]> ()
    seen_flat = Slice (scores, i_start, i_end, columns)
    seen_4d = Unsqueeze (seen_flat, three)
    twice = Constant <value_ints = [1, 1, 2, 1]> ()
    seen = Tile (seen_4d, twice)
    points = Concat <axis = 3> (corners, seen)
}
"""


def write_masked_detector(root: Path, **facts: object) -> Path:
    """Write the model `masks` under `root`, and return its folder. facts: of the manifest."""
    folder = root / NAME / "1"
    folder.mkdir(parents=True)
    outputs = (
        "float[N, 3, 2] scores, float[N, 2, Y, X] prototypes, float[N, 3, 2] coefficients, float[N, 3, 2, 3] points"
    )
    text = DETECTOR.replace("float[N, 3, 2] scores", outputs).rstrip().removesuffix("}")
    ends = "    i_start = Constant <value_ints = [0]> ()\n    i_end = Constant <value_ints = [1]> ()"
    model = onnx.parser.parse_model(HEADER + text + ends + MASKS)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / GRAPH_FILE)
    manifest = Manifest.model_validate(
        {
            "name": NAME,
            "version": "1",
            "task": Task.DETECTION,
            "architecture": "tiny",
            "sha256": digest(folder / GRAPH_FILE),
            "input": InputSpec(resize="letterbox", stride=32, long_side=320),
            "labels": ["bright", "dark"],
            "masks": MaskSpec(form="prototypes"),
            "points": POINTS,
            "thresholds": Thresholds(detection=0.25, iou=0.5),
            "licence": "Apache-2.0",
            "training": Training(recipe="tests", command="none", data=[], data_terms="none"),
            "export": Export(opset=21),
            **facts,
        }
    )
    manifest.save(folder)
    return folder
