"""Judges whether faces are found at any size, from a face across the room to a passport photo that it fills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from convoy.core.pictures.decoding import Pixels
from convoy.core.pictures.geometry import compute_iou
from convoy.faces.judging import JudgedFace
from convoy.faces.task import cosine
from tqdm import tqdm

from convoy_training.metrics.share import measure_share
from convoy_training.protocols.face_photos import FaceFinder
from convoy_training.protocols.portraits import Floats, map_box, read_portraits, show, unmap_box, whole
from convoy_training.protocols.subject import Outcome
from convoy_training.report.charts import Line, draw_lines
from convoy_training.report.page import Section, Shot
from convoy_training.task import Metric

PORTRAITS = 200
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
REFERENCE_SHARE = 0.5
"""The portrait's share of the frame in the picture whose face is the reference: its face has about half of that."""
NEAR_IOU, NEAR_COSINE = 0.5, 0.5
NAMES = ("right_box", "right_face", "one_face")
MOST_SHOTS = 16
DATASET, SPLIT = "LFW and CelebA", "one portrait each of held-out people, in frames of 960x1280"


def judge_sizes(finder: FaceFinder, portraits: Sequence[Pixels] = ()) -> Outcome:
    """Shows portraits at ten sizes: right box (IoU 0.5), right face (cosine 0.5 as well), no further face.

    A portrait in which no face is found at the reference size counts as wrong at every size.
    """
    portraits = portraits or read_portraits("validation", PORTRAITS)
    rows: dict[float, list[tuple[bool, ...]]] = {share: [] for share in SHARES}
    shots: list[Shot] = []
    for portrait in tqdm(portraits, desc="portraits", disable=None):
        frame, matrix = show(portrait, whole(portrait), REFERENCE_SHARE)
        reference = finder.find(frame)
        box = unmap_box(reference[0].detected.box_xyxy, matrix) if reference else whole(portrait)
        for share, seen in rows.items():
            frame, matrix = show(portrait, box, share)
            right = _judge(finder.find(frame), reference, map_box(box, matrix))
            seen.append(right)
            if not right[1] and len(shots) < MOST_SHOTS:
                shots.append(Shot(f"not found right at {share:.0%} of the height", frame[::4, ::4]))
    metrics = [*_list_metrics(rows)]
    curves = [Line(name, np.array(SHARES), np.array([m.value for m in metrics if m.name == name])) for name in NAMES]
    chart = draw_lines(curves, "the face's share of the frame's height", "share of portraits")
    note = f"{len(portraits)} portraits at each size. Right box: IoU {NEAR_IOU}; right face: cosine {NEAR_COSINE} too."
    return Outcome(metrics, curves, [Section("Faces of every size", note, [chart], shots)])


def _list_metrics(rows: dict[float, list[tuple[bool, ...]]]) -> Iterator[Metric]:
    for share, seen in rows.items():
        for name, trials in zip(NAMES, zip(*seen, strict=True), strict=True):
            value, interval = measure_share(trials)
            yield Metric(
                name, value, DATASET, SPLIT, len(trials), interval, f"face at {share:.0%} of the frame's height"
            )


def _judge(faces: Sequence[JudgedFace], reference: Sequence[JudgedFace], box: Floats) -> tuple[bool, bool, bool]:
    """Whether the largest face has the right box, is also the right face, and is the only one."""
    if not faces or not reference:
        return False, False, False
    right = bool(compute_iou(box, faces[0].detected.box_xyxy[None])[0] >= NEAR_IOU)
    return right, right and is_same(faces[0], reference[0]), len(faces) == 1


def is_same(face: JudgedFace, reference: JudgedFace) -> bool:
    """Whether a face is like the same face in the reference picture."""
    assert face.embedding is not None and reference.embedding is not None  # the finder embeds all
    return cosine(face.embedding, reference.embedding) >= NEAR_COSINE
