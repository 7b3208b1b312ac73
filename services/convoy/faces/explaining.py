"""What is asked of a face to explain why it is similar to another one."""

import cv2
import numpy as np

from convoy.core.models.engine import Outputs
from convoy.core.models.occlusion import Target
from convoy.core.pictures import heat
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.occlusion import map_size
from convoy.core.pictures.resizing import Placement
from convoy.core.serving.explaining import Question
from convoy.faces import task
from convoy.faces.judging import JudgedFace
from convoy.faces.task import Floats


def ask_of_faces(picture: Picture, one: JudgedFace, other: JudgedFace, overlay: bool) -> Question:
    """What to ask of the aligned face of a picture, so that its places are explained; both faces are embedded."""
    assert one.embedding is not None and other.embedding is not None
    against, side = other.embedding, one.aligned_rgb.shape[0]

    def measure(row: Outputs) -> float:
        return float(np.dot(np.asarray(row["embeddings"], np.float32), against))

    def enlarge(cells: Floats) -> Floats:
        return np.asarray(cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)

    def lay_out(cells: Floats) -> Floats:
        return task.lay_out_aligned(enlarge(cells), one.detected.landmarks_xy, picture, map_size(picture))

    def show(cells: Floats, _: Floats) -> Pixels:
        return heat.lay_over(one.aligned_rgb, enlarge(cells))

    target = Target(0, measure)
    score = target.score({"embeddings": one.embedding})
    whole = Placement(side, side, 0, 0, side, side, 0, 0, side, side)
    return Question(one.aligned_rgb, whole, picture, target, score, lay_out, show if overlay else None)
