"""Non-maximum suppression keeps the best of boxes that overlap. Detection and faces share it."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def suppress(boxes_xyxy: Floats, scores: Floats, classes: Ints, iou_threshold: float, most: int) -> Ints:
    """Choose the boxes to keep. If two boxes of a class overlap by more than `iou_threshold`, drop the weaker one.

    boxes_xyxy: [K, 4]; scores, classes: [K]. Returns at most `most` indices, best score first, ties by index.
    """
    if len(boxes_xyxy) == 0:
        return np.zeros(0, np.int64)
    boxes_xywh = boxes_xyxy.astype(np.float64)
    boxes_xywh[:, 2:] -= boxes_xywh[:, :2]
    # OpenCV takes arrays; its stubs say sequences.
    boxes: Any = boxes_xywh
    confidence: Any = scores
    labels: Any = classes.astype(np.int32)
    kept = cv2.dnn.NMSBoxesBatched(boxes, confidence, labels, 0.0, iou_threshold)
    indices = np.asarray(kept, np.int64).reshape(-1)
    order = np.lexsort((indices, -scores[indices]))
    return np.asarray(indices[order][:most], np.int64)
