"""A found face, cut out and judged. The service and the protocols that measure it judge faces here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convoy.core.manifest import Manifest
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.faces import task
from convoy.faces.alignment import DegenerateLandmarksError
from convoy.faces.classifiers import Attribute, prepare
from convoy.faces.crop_network import describe
from convoy.faces.likeness import judge_likeness
from convoy.faces.quality import FaceQuality, assess_quality
from convoy.faces.visibility import judge_visibility


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
