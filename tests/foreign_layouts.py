"""What the outputs of foreign networks mean, worked out row by row in NumPy from the definition of each layout: the
oracle for what importing draws into the graph. Every function takes the outputs for one picture, the input's height and
width, and gives the contract's outputs for it.
"""

import math

import cv2
import numpy as np

Arrays = dict[str, np.ndarray]


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def around(x: float, y: float, width: float, height: float) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def stack(*columns: list) -> tuple[np.ndarray, ...]:
    return tuple(np.array(column, np.float64) for column in columns)


def yolov5(raw: Arrays, height: int, width: int) -> Arrays:
    (rows,) = raw.values()
    return {
        "boxes": np.array([around(*row[:4]) for row in rows]),
        "scores": np.array([row[4] * row[5:] for row in rows]),
    }


def yolov8(raw: Arrays, height: int, width: int) -> Arrays:
    columns = raw["output0"].T
    return {"boxes": np.array([around(*row[:4]) for row in columns]), "scores": columns[:, 4:]}


def yolov8_seg(raw: Arrays, height: int, width: int) -> Arrays:
    """Four classes; what stands behind them are the coefficients."""
    columns = raw["output0"].T
    boxes = np.array([around(*row[:4]) for row in columns])
    rest = {"prototypes": raw["output1"], "coefficients": columns[:, 8:]}
    return {"boxes": boxes, "scores": columns[:, 4:8], **rest}


def yolov8_pose(raw: Arrays, height: int, width: int) -> Arrays:
    """One class, two points: x, y, visibility of the first, then of the second."""
    columns = raw["output0"].T
    points = [[row[5:8], row[8:11]] for row in columns]
    return {
        "boxes": np.array([around(*row[:4]) for row in columns]),
        "scores": columns[:, 4:5],
        "points": np.array(points),
    }


def yolov8_pose_without_visibility(raw: Arrays, height: int, width: int) -> Arrays:
    """One class, two points: x and y of the first, then of the second."""
    columns = raw["output0"].T
    points = [[row[5:7], row[7:9]] for row in columns]
    return {
        "boxes": np.array([around(*row[:4]) for row in columns]),
        "scores": columns[:, 4:5],
        "points": np.array(points),
    }


def yolox(raw: Arrays, height: int, width: int) -> Arrays:
    """Raw boxes: one row a cell, strides one after another."""
    (rows,) = raw.values()
    place, boxes = 0, []
    for stride in (8, 16, 32):
        for row in range(height // stride):
            for column in range(width // stride):
                x, y, w, h = rows[place, :4].astype(np.float64)
                boxes.append(
                    around((x + column) * stride, (y + row) * stride, math.exp(w) * stride, math.exp(h) * stride)
                )
                place += 1
    assert place == len(rows)
    return {"boxes": np.array(boxes), "scores": rows[:, 4:5] * rows[:, 5:]}


def detr(raw: Arrays, height: int, width: int) -> Arrays:
    """Sigmoid of the logits, boxes as shares."""
    logits, boxes = (next(array for name, array in raw.items() if word in name) for word in ("logits", "boxes"))
    corners = [around(x * width, y * height, w * width, h * height) for x, y, w, h in boxes.astype(np.float64)]
    return {"boxes": np.array(corners), "scores": sigmoid(logits.astype(np.float64))}


def detr_with_no_object(raw: Arrays, height: int, width: int) -> Arrays:
    """Softmax of the logits, whose last class is no object."""
    return detr(raw, height, width) | {"scores": softmax(raw["pred_logits"].astype(np.float64))[:, :-1]}


def rtdetr(raw: Arrays, height: int, width: int) -> Arrays:
    (rows,) = raw.values()
    corners = [around(x * width, y * height, w * width, h * height) for x, y, w, h in rows[:, :4].astype(np.float64)]
    return {"boxes": np.array(corners), "scores": rows[:, 4:]}


def distributions(raw: np.ndarray, height: int, width: int, stride: int, start: float) -> list[list[float]]:
    """Boxes of a level: each side's distance is the mean of its bins. start: of the first cell's point, in pixels."""
    boxes, place = [], 0
    for row in range(math.ceil(height / stride)):
        for column in range(math.ceil(width / stride)):
            bins = softmax(raw[place].astype(np.float64).reshape(4, -1))
            left, top, right, bottom = (sum(b * share for b, share in enumerate(side)) * stride for side in bins)
            x, y = column * stride + start, row * stride + start
            boxes.append([max(x - left, 0), max(y - top, 0), min(x + right, width), min(y + bottom, height)])
            place += 1
    assert place == len(raw)
    return boxes


def nanodet(raw: Arrays, height: int, width: int, strides: tuple[int, ...] = (8, 16, 32), less: float = 0.5) -> Arrays:
    """Class scores and distributions, told apart by their order: all scores come first. Points: middle pixels."""
    arrays = list(raw.values())
    scores, sides = arrays[: len(strides)], arrays[len(strides) :]
    boxes = [
        distributions(side, height, width, stride, stride / 2 - less)
        for side, stride in zip(sides, strides, strict=True)
    ]
    return {"boxes": np.concatenate(boxes), "scores": np.concatenate(scores)}


def picodet(raw: Arrays, height: int, width: int) -> Arrays:
    return nanodet(raw, height, width, (8, 16, 32, 64), less=0)


def nanodet_plus(raw: Arrays, height: int, width: int) -> Arrays:
    """Four classes and eight bins for each side."""
    (rows,) = raw.values()
    boxes, place = [], 0
    for stride in (8, 16, 32, 64):
        cells = math.ceil(height / stride) * math.ceil(width / stride)
        boxes += distributions(rows[place : place + cells, 4:], height, width, stride, 0)
        place += cells
    return {"boxes": np.array(boxes), "scores": rows[:, :4]}


def ssd_normalised_with_background(raw: Arrays, height: int, width: int) -> Arrays:
    boxes = [(x0 * width, y0 * height, x1 * width, y1 * height) for x0, y0, x1, y1 in raw["boxes"]]
    return {"boxes": np.array(boxes), "scores": raw["scores"][:, 1:]}


def ssd_pixels_of_logits(raw: Arrays, height: int, width: int) -> Arrays:
    return {"boxes": raw["boxes"], "scores": sigmoid(raw["scores"])}


def retinanet(raw: Arrays, height: int, width: int) -> Arrays:
    deltas, boxes = iter(raw["bbox_regression"]), []
    for stride in (8, 16, 32, 64, 128):
        base = 4 * stride
        for row in range(height // stride):
            for column in range(width // stride):
                for ratio in (0.5, 1.0, 2.0):
                    for side in (base, int(base * 2 ** (1 / 3)), int(base * 2 ** (2 / 3))):
                        anchor_width = 2 * np.round(side / math.sqrt(ratio) / 2)
                        anchor_height = 2 * np.round(side * math.sqrt(ratio) / 2)
                        dx, dy, dw, dh = next(deltas)
                        grown_width = anchor_width * min(math.exp(dw), 1000 / 16)
                        grown_height = anchor_height * min(math.exp(dh), 1000 / 16)
                        x, y = column * stride + dx * anchor_width, row * stride + dy * anchor_height
                        boxes.append(around(x, y, grown_width, grown_height))
    assert next(deltas, None) is None
    return {"boxes": np.array(boxes), "scores": sigmoid(raw["cls_logits"])}


def scrfd(raw: Arrays, height: int, width: int) -> Arrays:
    boxes, scores, landmarks = [], [], []
    for stride in (8, 16, 32):
        anchor = 0
        for row in range(height // stride):
            for column in range(width // stride):
                for _ in range(2):
                    x, y = column * stride, row * stride
                    left, top, right, bottom = raw[f"bbox_{stride}"][anchor] * stride
                    boxes.append([x - left, y - top, x + right, y + bottom])
                    scores.append(raw[f"score_{stride}"][anchor])
                    landmarks.append(raw[f"kps_{stride}"][anchor].reshape(5, 2) * stride + [x, y])
                    anchor += 1
    boxes_, scores_, landmarks_ = stack(boxes, scores, landmarks)
    return {"boxes": boxes_, "scores": scores_, "landmarks": landmarks_}


def yunet(raw: Arrays, height: int, width: int) -> Arrays:
    boxes, scores, landmarks = [], [], []
    for stride in (8, 16, 32):
        columns = width // stride
        for place in range(height // stride * columns):
            row, column = divmod(place, columns)
            x, y, w, h = raw[f"bbox_{stride}"][place]
            boxes.append(around((column + x) * stride, (row + y) * stride, math.exp(w) * stride, math.exp(h) * stride))
            cls = min(max(raw[f"cls_{stride}"][place, 0], 0), 1)
            obj = min(max(raw[f"obj_{stride}"][place, 0], 0), 1)
            scores.append([math.sqrt(cls * obj)])
            landmarks.append(
                [[(column + kx) * stride, (row + ky) * stride] for kx, ky in raw[f"kps_{stride}"][place].reshape(5, 2)]
            )
    boxes_, scores_, landmarks_ = stack(boxes, scores, landmarks)
    return {"boxes": boxes_, "scores": scores_, "landmarks": landmarks_}


def centerface(raw: Arrays, height: int, width: int) -> Arrays:
    """Four maps in the order of the export, y before x in each."""
    heat, sizes, offsets, marks = (array.astype(np.float64) for array in raw.values())
    boxes, scores, landmarks = [], [], []
    for row in range(height // 4):
        for column in range(width // 4):
            h, w = math.exp(sizes[0, row, column]) * 4, math.exp(sizes[1, row, column]) * 4
            x = min(max((column + offsets[1, row, column] + 0.5) * 4 - w / 2, 0), width)
            y = min(max((row + offsets[0, row, column] + 0.5) * 4 - h / 2, 0), height)
            boxes.append([x, y, min(x + w, width), min(y + h, height)])
            scores.append([heat[0, row, column]])
            pairs = marks[:, row, column].reshape(5, 2)
            landmarks.append([[x + share_x * w, y + share_y * h] for share_y, share_x in pairs])
    boxes_, scores_, landmarks_ = stack(boxes, scores, landmarks)
    return {"boxes": boxes_, "scores": scores_, "landmarks": landmarks_}


PRIORS = ((16, 32), (64, 128), (256, 512))
SMALL_PRIORS = ((10, 20), (32, 64), (128, 256))


def retinaface(raw: Arrays, height: int, width: int, priors: tuple[tuple[int, ...], ...] = PRIORS) -> Arrays:
    """Priors as shares of the picture, as their source has them; loc, conf, landms told apart by their widths."""
    raw = {{4: "loc", 2: "conf", 10: "landms"}[array.shape[-1]]: array for array in raw.values()}
    boxes, landmarks, anchor = [], [], 0
    for stride, sides in zip((8, 16, 32, 64), priors, strict=False):
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                for side in sides:
                    prior_x, prior_y = (column + 0.5) * stride / width, (row + 0.5) * stride / height
                    prior_w, prior_h = side / width, side / height
                    x, y, w, h = raw["loc"][anchor]
                    box = around(
                        prior_x + x * 0.1 * prior_w,
                        prior_y + y * 0.1 * prior_h,
                        prior_w * math.exp(w * 0.2),
                        prior_h * math.exp(h * 0.2),
                    )
                    boxes.append(np.array(box) * [width, height, width, height])
                    points = raw["landms"][anchor].reshape(5, 2) * 0.1 * [prior_w, prior_h] + [prior_x, prior_y]
                    landmarks.append(points * [width, height])
                    anchor += 1
    boxes_, landmarks_ = stack(boxes, landmarks)
    return {"boxes": boxes_, "scores": raw["conf"][:, 1:], "landmarks": landmarks_}


def retinaface_small(raw: Arrays, height: int, width: int) -> Arrays:
    return retinaface(raw, height, width, SMALL_PRIORS)


def segment_channels_last(raw: Arrays, height: int, width: int) -> Arrays:
    (planes,) = raw.values()
    return segment({"out": planes.transpose(2, 0, 1)}, height, width)


def segment_sigmoid(raw: Arrays, height: int, width: int) -> Arrays:
    """One channel of probabilities."""
    (planes,) = raw.values()
    return {"class_map": (cv2.resize(planes[0], (width, height)) > 0.5).astype(np.uint8)}


def segment(raw: Arrays, height: int, width: int) -> Arrays:
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in next(iter(raw.values()))]
    if len(planes) == 1:
        return {"class_map": (planes[0] > 0).astype(np.uint8)}
    return {"class_map": np.argmax(planes, axis=0).astype(np.uint8)}


def embed(raw: Arrays, height: int, width: int) -> Arrays:
    return {"embeddings": raw["683"] / np.linalg.norm(raw["683"])}


def tree(raw: Arrays, height: int, width: int) -> Arrays:
    """The number at the leaf that is reached, without its sign: the second class."""
    score = min(1.0, abs(float(raw["Identity"][int(raw["Identity_1"].argmax())])))
    return {"probabilities": np.array([1 - score, score])}
