"""Tiny graphs that look like foreign networks from outside: float NCHW in, raw heads out, in the layout of each family.

Inside, each is an average over cells and a random 1x1 convolution, so every output depends on every channel and place.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.shape_inference
from onnx import ModelProto, TensorProto, helper, numpy_helper

FACE_STRIDES = (8, 16, 32)
RETINANET_STRIDES = (8, 16, 32, 64, 128)
Size = tuple[int | str, int | str]


class Drawing:
    """A graph under construction; `seed` decides its weights."""

    def __init__(
        self,
        size: Size,
        batch: int | str = "N",
        layout: str = "nchw",
        opset: int = 17,
        seed: int = 1,
        channels: int = 3,
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.opset, self.batch, self.channels = opset, batch, channels
        shape = [batch, channels, *size] if layout == "nchw" else [batch, *size, channels]
        self.inputs = [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, shape)]
        self.picture = self.op("Transpose", "input.1", perm=[0, 3, 1, 2]) if layout == "nhwc" else "input.1"

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        output = name or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def weight(self, array: np.ndarray) -> str:
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *numbers: int) -> str:
        return self.weight(np.array(numbers, np.int64))

    def cells(self, stride: int, channels: int, scale: float = 1.0) -> str:
        """A feature map [N, channels, H/stride, W/stride]."""
        pooled = self.op("AveragePool", self.picture, kernel_shape=[stride] * 2, strides=[stride] * 2)
        weights = self.random.normal(0, scale, (channels, self.channels, 1, 1)).astype(np.float32)
        bias = self.random.normal(0, scale, channels).astype(np.float32)
        return self.op("Conv", pooled, self.weight(weights), self.weight(bias))

    def rows(self, stride: int, anchors: int, width: int, first: int = 0, scale: float = 1.0) -> str:
        """[N, cells * anchors, width]; first: the Reshape's constant length of the batch (0 keeps it, 1 fixes it)."""
        planes = self.op("Transpose", self.cells(stride, anchors * width, scale), perm=[0, 2, 3, 1])
        return self.op("Reshape", planes, self.ints(first, -1, width))

    def decoded(self, stride: int, anchors: int, first: int = 0, scale: float = 1.0) -> str:
        """Boxes [N, cells * anchors, 4]: centre x and y in pixels, near the cell's middle, then width and height."""
        pooled = self.op("AveragePool", self.picture, kernel_shape=[stride] * 2, strides=[stride] * 2)
        one = self.op("Slice", pooled, self.ints(0), self.ints(1), self.ints(1))
        steps = self.op("Add", self.op("Mul", one, self.weight(np.float32([0]))), self.weight(np.float32([stride])))
        middle = self.weight(np.float32([stride / 2]))
        x, y = (self.op("Sub", self.op("CumSum", steps, self.weight(np.int64(axis))), middle) for axis in (3, 2))
        boxes = []
        for _ in range(anchors):
            centres = self.op("Add", self.op("Concat", x, y, axis=1), self.cells(stride, 2, scale))
            boxes += [centres, self.op("Exp", self.cells(stride, 2, scale))]
        planes = self.op("Transpose", self.op("Concat", *boxes, axis=1), perm=[0, 2, 3, 1])
        return self.op("Reshape", planes, self.ints(first, -1, 4))

    def give(self, value: str, name: str) -> None:
        self.op("Identity", value, name=name)
        self.outputs.append(onnx.ValueInfoProto(name=name))

    def model(self) -> ModelProto:
        graph = helper.make_graph(self.nodes, "foreign", self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(model, full_check=True)
        return model

    def save(self, file: Path) -> Path:
        onnx.save(self.model(), file)
        return file


def classifier(classes: int, softmax: bool = False, **facts: object) -> Drawing:
    """[N, classes] logits or probabilities."""
    drawing = Drawing(**({"size": (32, 32)} | facts))  # type: ignore[arg-type]
    logits = drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.cells(8, classes, 3.0)), axis=1)
    drawing.give(drawing.op("Softmax", logits, axis=1) if softmax else logits, "output")
    return drawing


def tree(leaves: int = 8, **facts: object) -> Drawing:
    """Numbers of leaves [N, K], and a mask [N, K] of the leaf that is reached."""
    drawing = Drawing(**({"size": (32, 32)} | facts))  # type: ignore[arg-type]
    rows = [drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.cells(8, leaves)), axis=1) for _ in range(2)]
    drawing.give(drawing.op("Tanh", rows[0]), "Identity")
    reached = drawing.op("ArgMax", rows[1], axis=1, keepdims=0)
    ends = drawing.weight(np.array([0, 1], np.float32))
    drawing.give(drawing.op("OneHot", reached, drawing.ints(leaves), ends, axis=1), "Identity_1")
    return drawing


def yolov5(classes: int, **facts: object) -> Drawing:
    """[N, A, 5+C], three anchors a cell, at strides 8, 16, 32; decoded boxes, sigmoids."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    rows = []
    for stride in FACE_STRIDES:
        boxes = drawing.decoded(stride, 3)
        rest = drawing.op("Sigmoid", drawing.rows(stride, 3, 1 + classes))
        rows.append(drawing.op("Concat", boxes, rest, axis=2))
    drawing.give(drawing.op("Concat", *rows, axis=1), "output0")
    return drawing


def yolov8(classes: int, first: int = 0, **facts: object) -> Drawing:
    """[N, 4+C, A], one anchor a cell; first: as in Drawing.rows."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    levels = []
    for stride in FACE_STRIDES:
        boxes = drawing.decoded(stride, 1, first)
        scores = drawing.op("Sigmoid", drawing.rows(stride, 1, classes, first))
        levels.append(drawing.op("Concat", boxes, scores, axis=2))
    drawing.give(drawing.op("Transpose", drawing.op("Concat", *levels, axis=1), perm=[0, 2, 1]), "output0")
    return drawing


def yolov8_seg(classes: int, prototypes: int = 3, **facts: object) -> Drawing:
    """[N, 4+C+M, A] as yolov8 with coefficients of any sign, and prototypes [N, M, H/4, W/4]."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    levels = []
    for stride in FACE_STRIDES:
        scores = drawing.op("Sigmoid", drawing.rows(stride, 1, classes))
        coefficients = drawing.rows(stride, 1, prototypes)
        levels.append(drawing.op("Concat", drawing.decoded(stride, 1), scores, coefficients, axis=2))
    drawing.give(drawing.op("Transpose", drawing.op("Concat", *levels, axis=1), perm=[0, 2, 1]), "output0")
    drawing.give(drawing.cells(4, prototypes), "output1")
    return drawing


def yolov8_pose(classes: int, points: int = 2, seen: bool = True, **facts: object) -> Drawing:
    """[N, 4+C+3K, A] as yolov8 with points in pixels and how visible each is; without `seen` [N, 4+C+2K, A]."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    levels = []
    for stride in FACE_STRIDES:
        scores = drawing.op("Sigmoid", drawing.rows(stride, 1, classes))
        parts = [drawing.decoded(stride, 1), scores]
        for _ in range(points):
            parts.append(drawing.rows(stride, 1, 2, scale=50.0))
            parts += [drawing.op("Sigmoid", drawing.rows(stride, 1, 1))] if seen else []
        levels.append(drawing.op("Concat", *parts, axis=2))
    drawing.give(drawing.op("Transpose", drawing.op("Concat", *levels, axis=1), perm=[0, 2, 1]), "output0")
    return drawing


def yolox(classes: int, decoded: bool = False, **facts: object) -> Drawing:
    """[N, A, 5+C], one anchor a cell, at strides 8, 16, 32; boxes raw or decoded, the rest sigmoids."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    rows = []
    for stride in FACE_STRIDES:
        boxes = drawing.decoded(stride, 1, scale=0.003) if decoded else drawing.rows(stride, 1, 4, scale=0.003)
        rest = drawing.op("Sigmoid", drawing.rows(stride, 1, 1 + classes, scale=0.003))
        rows.append(drawing.op("Concat", boxes, rest, axis=2))
    drawing.give(drawing.op("Concat", *rows, axis=1), "output")
    return drawing


def detr(classes: int, no_object: bool = False, joint: bool = False, **facts: object) -> Drawing:
    """pred_logits [N, Q, C] and pred_boxes [N, Q, 4] as shares, or one output; no_object: a last class that mostly
    wins.
    """
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    height, width = facts["size"]  # type: ignore[misc]
    sides = drawing.weight(np.float32([width, height, width, height]))
    boxes = drawing.op("Div", drawing.decoded(16, 1), sides)
    logits = drawing.rows(16, 1, classes)
    if no_object:
        last = drawing.op("Add", drawing.rows(16, 1, 1), drawing.weight(np.float32([6])))
        logits = drawing.op("Concat", logits, last, axis=2)
    if joint:
        drawing.give(drawing.op("Concat", boxes, drawing.op("Sigmoid", logits), axis=2), "output0")
    else:
        drawing.give(logits, "pred_logits")
        drawing.give(boxes, "pred_boxes")
    return drawing


def detr_best(classes: int, best: int = 20, kind: int = TensorProto.INT64, **facts: object) -> Drawing:
    """labels [N, best] int64, boxes [N, best, 4] xyxy and scores [N, best]; a second input says how large boxes are.

    As D-FINE and RT-DETR export it: the best of all queries' classes, with boxes scaled to orig_target_sizes [N, 2].
    """
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    height, width = facts["size"]  # type: ignore[misc]
    drawing.inputs.append(helper.make_tensor_value_info("orig_target_sizes", kind, [drawing.batch, 2]))
    shares = drawing.op("Div", drawing.decoded(16, 1), drawing.weight(np.float32([width, height, width, height])))
    ends = drawing.ints(0), drawing.ints(2), drawing.ints(4), drawing.ints(2)
    middle = drawing.op("Slice", shares, ends[0], ends[1], ends[3])
    half = drawing.op("Mul", drawing.op("Slice", shares, ends[1], ends[2], ends[3]), drawing.weight(np.float32([0.5])))
    corners = drawing.op("Concat", drawing.op("Sub", middle, half), drawing.op("Add", middle, half), axis=2)
    scale = drawing.op("Tile", drawing.op("Cast", "orig_target_sizes", to=TensorProto.FLOAT), drawing.ints(1, 2))
    boxes = drawing.op("Mul", corners, drawing.op("Reshape", scale, drawing.ints(0, 1, 4)))
    flat = drawing.op("Flatten", drawing.op("Sigmoid", drawing.rows(16, 1, classes)), axis=1)
    drawing.nodes.append(helper.make_node("TopK", [flat, drawing.ints(best)], ["best", "places"], axis=1))
    number = drawing.ints(classes)
    queries = drawing.op("Reshape", drawing.op("Div", "places", number), drawing.ints(0, -1, 1))
    spread = drawing.op("Expand", queries, drawing.ints(1, 1, 4))
    drawing.give(drawing.op("Mod", "places", number), "labels")
    drawing.give(drawing.op("GatherElements", boxes, spread, axis=1), "boxes")
    drawing.give("best", "scores")
    return drawing


def nanodet(classes: int, strides: Sequence[int] = FACE_STRIDES, bins: int = 8, **facts: object) -> Drawing:
    """Sigmoids [N, cells, C] of all strides, then distributions [N, cells, 4 x bins] of all strides."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    for stride in strides:
        drawing.give(drawing.op("Sigmoid", drawing.rows(stride, 1, classes)), f"cls_{stride}")
    for stride in strides:
        drawing.give(drawing.rows(stride, 1, 4 * bins), f"dis_{stride}")
    return drawing


def nanodet_plus(classes: int, bins: int = 8, **facts: object) -> Drawing:
    """[N, A, C + 4 x bins], one row a cell, at strides 8 to 64."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    levels = []
    for stride in (8, 16, 32, 64):
        scores = drawing.op("Sigmoid", drawing.rows(stride, 1, classes))
        levels.append(drawing.op("Concat", scores, drawing.rows(stride, 1, 4 * bins), axis=2))
    drawing.give(drawing.op("Concat", *levels, axis=1), "output")
    return drawing


def centerface(**facts: object) -> Drawing:
    """Heatmap, sizes, offsets and landmarks at stride 4."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    drawing.give(drawing.op("Sigmoid", drawing.cells(4, 1, 0.002)), "heat")
    for name, channels in (("scale", 2), ("offset", 2), ("marks", 10)):
        drawing.give(drawing.cells(4, channels, 0.003), name)
    return drawing


def ssd(classes: int, logits: bool = False, pixels: float = 1.0, **facts: object) -> Drawing:
    """boxes [N, A, 4] xyxy between 0 and `pixels`, scores [N, A, classes] (the background among them)."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    half = drawing.weight(np.float32(0.5 * pixels).reshape(1))
    start = drawing.op("Mul", drawing.op("Sigmoid", drawing.rows(16, 2, 2)), half)
    size = drawing.op("Mul", drawing.op("Sigmoid", drawing.rows(16, 2, 2)), half)
    scores = drawing.rows(16, 2, classes)
    drawing.give(scores if logits else drawing.op("Softmax", scores, axis=2), "scores")
    drawing.give(drawing.op("Concat", start, drawing.op("Add", start, size), axis=2), "boxes")
    return drawing


def retinanet(classes: int, **facts: object) -> Drawing:
    """bbox_regression [N, A, 4] and cls_logits [N, A, C], nine anchors a cell."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    # A large scale, so that some growths meet their bound.
    boxes = [drawing.rows(stride, 9, 4, scale=2.5) for stride in RETINANET_STRIDES]
    classes_ = [drawing.rows(stride, 9, classes) for stride in RETINANET_STRIDES]
    drawing.give(drawing.op("Concat", *classes_, axis=1), "cls_logits")
    drawing.give(drawing.op("Concat", *boxes, axis=1), "bbox_regression")
    return drawing


def scrfd(flat: bool = False, kps: bool = True, **facts: object) -> Drawing:
    """Nine outputs, first all scores; flat: [rows, width] as in InsightFace's packages, the batch behind the cells."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]

    def rows(stride: int, width: int) -> str:
        if not flat:
            return drawing.rows(stride, 2, width)
        planes = drawing.op("Transpose", drawing.cells(stride, 2 * width), perm=[2, 3, 0, 1])
        return drawing.op("Reshape", planes, drawing.ints(-1, width))

    for name, width in (("score", 1), ("bbox", 4), ("kps", 10))[: 3 if kps else 2]:
        for stride in FACE_STRIDES:
            value = rows(stride, width)
            drawing.give(drawing.op("Sigmoid", value) if width == 1 else value, f"{name}_{stride}")
    return drawing


def yunet(first: int = 0, **facts: object) -> Drawing:
    """Twelve outputs as in the OpenCV zoo; cls and obj go a little beyond 0 and 1, to be bounded."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    scale = drawing.weight(np.float32(1.2).reshape(1))
    for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in FACE_STRIDES:
            value = drawing.rows(stride, 1, width, first, scale=0.02 if width == 1 else 0.002)
            if width == 1:
                value = drawing.op("Mul", drawing.op("Sigmoid", value), scale)
            drawing.give(value, f"{name}_{stride}")
    return drawing


def retinaface(**facts: object) -> Drawing:
    """loc, conf (softmax), landms; two priors a cell."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    for name, width in (("loc", 4), ("conf", 2), ("landms", 10)):
        value = drawing.op("Concat", *(drawing.rows(stride, 2, width, scale=0.02) for stride in FACE_STRIDES), axis=1)
        drawing.give(drawing.op("Softmax", value, axis=2) if name == "conf" else value, name)
    return drawing


def segmenter(
    classes: int, stride: int = 1, argmax: bool = False, last: bool = False, sigmoid: bool = False, **facts: object
) -> Drawing:
    """[N, classes, H/stride, W/stride] or channels last, or the class of each pixel as int64 [N, 1, H, W]."""
    drawing = Drawing(**facts)  # type: ignore[arg-type]
    logits = drawing.cells(stride, classes)
    logits = drawing.op("Sigmoid", logits) if sigmoid else logits
    logits = drawing.op("Transpose", logits, perm=[0, 2, 3, 1]) if last else logits
    if argmax:
        drawing.op("ArgMax", logits, axis=1, name="mask")
        drawing.outputs.append(onnx.ValueInfoProto(name="mask"))
    else:
        drawing.give(logits, "out")
    return drawing


def embedder(size: Size = (112, 112), **facts: object) -> Drawing:
    """[N, 192]: the means of 8x8 blocks of each channel, less their average; not of unit length."""
    drawing = Drawing(size, **facts)  # type: ignore[arg-type]
    blocks = drawing.op("AveragePool", drawing.picture, kernel_shape=[14, 14], strides=[14, 14])
    flat = drawing.op("Flatten", blocks, axis=1)
    average = drawing.op("ReduceMean", flat, axes=[1], keepdims=1)
    drawing.give(drawing.op("Sub", flat, average), "683")
    return drawing


def face_finder(template: np.ndarray) -> Drawing:
    """SCRFD whose answer can be worked out by hand: a face where a white cell of 8x8 pixels lies on a dark picture.

    Its box reaches 16 pixels to the left and up of the cell's corner and 40 to the right and down; its landmarks are
    `template` [5, 2], in pixels from that corner.
    """
    drawing = Drawing(("height", "width"))

    def head(stride: int, weights: list[float], bias: np.ndarray) -> str:
        """Two anchors: `weights` on the red channel of each, zero on the others."""
        pooled = drawing.op("AveragePool", drawing.picture, kernel_shape=[stride] * 2, strides=[stride] * 2)
        factors = np.zeros((bias.size, 3, 1, 1), np.float32)
        factors[: len(weights), 0, 0, 0] = weights
        planes = drawing.op("Conv", pooled, drawing.weight(factors), drawing.weight(bias.astype(np.float32).ravel()))
        rows = drawing.op("Transpose", planes, perm=[0, 2, 3, 1])
        return drawing.op("Reshape", rows, drawing.ints(0, -1, bias.shape[1]))

    for stride in FACE_STRIDES:
        # White is 127.5/128 after preprocessing, so the first anchor of a white cell scores sigmoid(5).
        first = [10.0] if stride == 8 else [0.0]
        scores = head(stride, first, np.array([[-5.0 if stride == 8 else -10.0], [-10.0]]))
        drawing.give(drawing.op("Sigmoid", scores), f"score_{stride}")
    for stride in FACE_STRIDES:
        drawing.give(head(stride, [], np.array([[16.0, 16, 40, 40]] * 2) / stride), f"bbox_{stride}")
    for stride in FACE_STRIDES:
        drawing.give(head(stride, [], np.array([template.ravel()] * 2) / stride), f"kps_{stride}")
    return drawing


def write_lines(file: Path, lines: Sequence[str]) -> Path:
    file.write_text("\n".join(lines) + "\n")
    return file
