"""Pixels to faces, and faces to embeddings, without any RPC: the same code serves and evaluates."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Manifest, first_given
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.geometry import boxes_to_picture, points_to_picture
from convoy.core.pictures.resizing import Placement, place
from convoy.core.pictures.suppression import suppress
from convoy.faces.alignment import REFERENCE_LANDMARKS, align_face, estimate_similarity

DETECTION_THRESHOLD = 0.5
IOU_THRESHOLD = 0.4
MIN_SIDE_PX = 1600
"""A large JPEG is decoded no smaller than this, so that faces in a group photo keep their detail."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """What counts. None: detection_threshold by the manifest, any number of faces; sizes are of the picture sent."""

    detection_threshold: float | None = None
    max_faces: int | None = 200
    min_face_size_px: int = 0
    largest_only: bool = False
    any_angle: bool = False
    detail: bool = False


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """One face; box [4] xyxy and landmarks [5, 2] in pixels of the picture that was sent."""

    box_xyxy: Floats
    landmarks_xy: Floats
    score: float

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        x_min, y_min, x_max, y_max = self.box_xyxy
        return float((x_max - x_min) * (y_max - y_min))


def prepare(picture: Picture, manifest: Manifest) -> tuple[Pixels, Placement]:
    """The detector's input [H, W, 3] for a picture, and where the picture lies in it."""
    return place(picture.image_rgb, manifest.input)


def interpret(
    outputs: Outputs, placement: Placement, picture: Picture, manifest: Manifest, options: Options = Options()
) -> list[DetectedFace]:
    """Faces, largest first. outputs: one row, boxes [A, 4], scores [A, 1], landmarks [A, 5, 2] in the input's frame."""
    threshold = first_given(options.detection_threshold, manifest.thresholds.detection, DETECTION_THRESHOLD)
    iou_threshold = first_given(None, manifest.thresholds.iou, IOU_THRESHOLD)
    scores = np.asarray(outputs["scores"], np.float32)[:, 0]
    above = np.flatnonzero(scores >= threshold)
    boxes = np.asarray(outputs["boxes"], np.float32)[above]
    one_class = np.zeros(len(above), np.int64)
    kept = suppress(boxes, scores[above], one_class, iou_threshold, len(above))
    edges = boxes_to_picture(boxes[kept], placement, picture)
    landmarks = np.asarray(outputs["landmarks"], np.float32)[above][kept]
    points = points_to_picture(landmarks.reshape(-1, 5, 2), placement, picture)
    found = [
        DetectedFace(edge, point, float(score))
        for edge, point, score in zip(edges, points, scores[above][kept], strict=True)
    ]
    return select(found, options)


def select(faces: list[DetectedFace], options: Options) -> list[DetectedFace]:
    """Those that count, largest first."""

    def large_enough(face: DetectedFace) -> bool:
        x_min, y_min, x_max, y_max = face.box_xyxy
        return float(min(x_max - x_min, y_max - y_min)) >= max(1, options.min_face_size_px)

    ordered = sorted(filter(large_enough, faces), key=lambda face: -face.area)
    return ordered[: 1 if options.largest_only else options.max_faces]


def align(picture: Picture, face: DetectedFace, border_px: int = 0) -> Pixels:
    """The face turned upright, [112, 112, 3]; border_px: so many further pixels on each side."""
    scale = np.asarray(picture.scale_xy, np.float32)
    return align_face(picture.image_rgb, face.landmarks_xy / scale, border_px=border_px)


def lay_out_aligned(values: Floats, landmarks_xy: Floats, picture: Picture, size: tuple[int, int]) -> Floats:
    """Lay a map of the aligned face [112, 112] over the picture, at a size (width, height); 0 outside the face."""
    scale = np.array(size, np.float32) / np.array([picture.width, picture.height], np.float32)
    matrix = estimate_similarity(np.asarray(landmarks_xy * scale, np.float32), REFERENCE_LANDMARKS)
    return np.asarray(cv2.warpAffine(values, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.float32)


def cosine(one: Floats, other: Floats) -> float:
    """Cosine similarity of two unit embeddings, -1 to 1."""
    return float(np.clip(np.dot(one, other), -1.0, 1.0))
