"""A found face, cut out and judged. The service and the protocols that measure it judge faces here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Manifest, first_given
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.faces import task
from convoy.faces.alignment import DegenerateLandmarksError
from convoy.faces.classifiers import Attribute, prepare
from convoy.faces.crop_network import describe
from convoy.faces.likeness import judge_likeness
from convoy.faces.quality import FaceQuality, assess_quality
from convoy.faces.visibility import judge_visibility

DOUBTFUL_SHARE = 0.1
"""A score in the lowest tenth above the detector's own threshold is doubtful: a star, a zebra, a small face."""
DOUBTFUL_LIKENESS = 0.05
"""A doubtful find counts as a face from this likeness on. Measured in docs/faces.md."""


@dataclass(frozen=True, eq=False)
class JudgedFace:
    """A face with its aligned crop [112, 112, 3] and its quality; its embedding [D] once it is embedded.

    inputs: what each classifier of faces is to see; liveness, None if no network judges it, and attributes: what they
    said.
    """

    detected: task.DetectedFace
    aligned_rgb: Pixels
    quality: FaceQuality
    embedding: npt.NDArray[np.float32] | None = None
    inputs: tuple[Pixels, ...] = ()
    liveness: float | None = None
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, eq=False)
class Judged:
    """The faces that a call asked for, largest first, and how many finds were dropped because they are no faces."""

    faces: list[JudgedFace]
    dropped: int


def judge_all(
    picture: Picture,
    found: Sequence[task.DetectedFace],
    manifest: Manifest,
    options: task.Options,
    classifiers: Sequence[Manifest] = (),
    with_likeness: bool = True,
) -> Judged:
    """Judge the faces that the call wants of those found, largest first; drop those that cannot be faces.

    manifest: the detector's. A call that names a threshold gets whatever reaches it.
    """
    wanted = 1 if options.largest_only else options.max_faces
    threshold = first_given(None, manifest.thresholds.detection, task.DETECTION_THRESHOLD)
    sure = 0.0 if options.detection_threshold is not None else threshold + DOUBTFUL_SHARE * (1 - threshold)
    faces: list[JudgedFace] = []
    dropped = 0
    for one in found:
        if len(faces) == wanted:
            break
        face = judge(picture, one, classifiers, with_likeness)
        likeness = None if face is None else face.quality.likeness
        if face is None or (one.score < sure and likeness is not None and likeness < DOUBTFUL_LIKENESS):
            dropped += 1
        else:
            faces.append(face)
    return Judged(faces, dropped)


def judge(
    picture: Picture, face: task.DetectedFace, classifiers: Sequence[Manifest] = (), with_likeness: bool = True
) -> JudgedFace | None:
    """Align and judge a face; None if its landmarks cannot be a face's, so that nobody could recognise it."""
    try:
        aligned = task.align(picture, face)
    except DegenerateLandmarksError:
        return None
    likeness, visibility = None, None
    if with_likeness:
        features = describe(aligned)
        likeness, visibility = judge_likeness(features), judge_visibility(features)
    quality = assess_quality(aligned, face.landmarks_xy, face.score, likeness, visibility)
    return JudgedFace(face, aligned, quality, inputs=tuple(prepare(picture, face, one) for one in classifiers))
