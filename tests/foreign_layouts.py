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
    rows = raw["output0"]
    return {
        "boxes": np.array([around(*row[:4]) for row in rows]),
        "scores": np.array([row[4] * row[5:] for row in rows]),
    }


def yolov8(raw: Arrays, height: int, width: int) -> Arrays:
    columns = raw["output0"].T
    return {"boxes": np.array([around(*row[:4]) for row in columns]), "scores": columns[:, 4:]}


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


def retinaface(raw: Arrays, height: int, width: int) -> Arrays:
    """Priors as shares of the picture, as their source has them."""
    boxes, landmarks, anchor = [], [], 0
    for stride, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
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


def segment(raw: Arrays, height: int, width: int) -> Arrays:
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in raw["out"]]
    if len(planes) == 1:
        return {"class_map": (planes[0] > 0).astype(np.uint8)}
    return {"class_map": np.argmax(planes, axis=0).astype(np.uint8)}


def embed(raw: Arrays, height: int, width: int) -> Arrays:
    return {"embeddings": raw["683"] / np.linalg.norm(raw["683"])}
