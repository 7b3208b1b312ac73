"""How well a face can be recognised: size, sharpness, exposure and pose, each 0 to 1, and all in one number.

Plain measures of the aligned crop and of the landmarks, cheap enough for every face of every photo. likeness.py judges
whether it is a face at all, and visibility.py whether something covers it.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

EYE_DISTANCE_PX = (8.0, 36.0)
"""Where size is 0 and 1; 35 pixels is the eye distance of the aligned crop, more adds nothing."""

LAPLACIAN_LOG10 = (1.0, 2.2)
"""Where sharpness is 0 and 1: log10 of the variance of the Laplacian at a contrast of 40 grey levels."""

CONTRAST_LEVELS = (8.0, 32.0)
"""Where the contrast part of exposure is 0 and 1: standard deviation in grey levels."""

FACE = (slice(24, 108), slice(22, 90))
"""Rows and columns of the aligned crop that show the face rather than what is behind it."""

EYES_TO_MOUTH = 0.87
"""Eye distance over eye-to-mouth distance of a face seen from the front (the ArcFace reference points)."""

NOSE_HEIGHT = 0.49
"""Where the nose tip of such a face lies on the way from eyes (0) to mouth (1)."""

WEIGHTS = {"size": 1.0, "sharpness": 1.0, "exposure": 0.5, "frontality": 1.0, "detection": 1.0}


@dataclass(frozen=True)
class FaceQuality:
    """All parts lie between 0 (useless) and 1 (as good as it gets); likeness, visibility: None if not judged.

    `score` is the weighted geometric mean of what can be poor about a face, times likeness and visibility: what is no
    face, or is covered, is of no use at all.
    """

    score: float
    size: float
    sharpness: float
    exposure: float
    frontality: float
    likeness: float | None = None
    visibility: float | None = None


def assess_quality(
    aligned_rgb: NDArray[np.uint8],
    landmarks_xy: NDArray[np.floating],
    detection: float,
    likeness: float | None = None,
    visibility: float | None = None,
) -> FaceQuality:
    """Judge a face by its aligned crop [112,112,3], its landmarks [5,2] in picture pixels and the detector's score.

    likeness: how much the crop looks like an upright face; visibility: how surely nothing covers the face.

    One bad part makes a bad face, whatever the others are: hence the geometric mean.
    """
    grey = np.asarray(cv2.cvtColor(aligned_rgb[FACE], cv2.COLOR_RGB2GRAY), np.uint8)
    parts = {
        "size": measure_size(landmarks_xy),
        "sharpness": measure_sharpness(grey),
        "exposure": measure_exposure(grey),
        "frontality": measure_frontality(landmarks_xy),
    }
    weighted = [WEIGHTS[name] * math.log(max(value, 1e-6)) for name, value in {**parts, "detection": detection}.items()]
    score = math.exp(sum(weighted) / sum(WEIGHTS.values()))
    for opinion in (likeness, visibility):
        score *= 1.0 if opinion is None else opinion
    return FaceQuality(score=score, likeness=likeness, visibility=visibility, **parts)


def measure_size(landmarks_xy: NDArray[np.floating]) -> float:
    """Enough pixels: by the eye distance, or by the height of the face where it is turned away."""
    across, down = _measure_face(landmarks_xy)
    return _ramp(max(across, EYES_TO_MOUTH * down), *EYE_DISTANCE_PX)


def measure_sharpness(grey: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian [Pech-Pacheco et al., ICPR 2000], independent of contrast, on a logarithmic scale."""
    contrast = max(_measure_levels(grey)[1], 4.0)
    variance = (_measure_levels(np.asarray(cv2.Laplacian(grey, cv2.CV_16S), np.int16))[1] * 40.0 / contrast) ** 2
    return _ramp(math.log10(variance + 1e-6), *LAPLACIAN_LOG10)


def measure_exposure(grey: NDArray[np.uint8]) -> float:
    """Contrast, times the share of pixels that are neither black nor burnt out, times how far the mean is from both."""
    usable = cv2.countNonZero(cv2.inRange(grey, 13, 242)) / grey.size
    mean, deviation = _measure_levels(grey)
    return _ramp(deviation, *CONTRAST_LEVELS) * usable * _ramp(mean, 15, 70) * _ramp(255 - mean, 15, 60)


def measure_frontality(landmarks_xy: NDArray[np.floating]) -> float:
    """1 from the front, 0 in profile or far up or down; a tilted head is no fault, since alignment turns it back."""
    across, down = _measure_face(landmarks_xy)
    size = max(across, EYES_TO_MOUTH * down)
    if size < 1e-6 or down < 1e-6:
        return 0.0
    left, right, nose, mouth_left, mouth_right = _as_complex(landmarks_xy)
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    # In the frame of the face: its real axis points from the eyes to the mouth.
    tip = (nose - eyes) * ((mouth - eyes) / down).conjugate()
    sideways, tilt = abs(tip.imag) / size, abs(tip.real / down - NOSE_HEIGHT)
    narrow = across / (EYES_TO_MOUTH * down)
    return _ramp(-sideways, -0.5, -0.1) * _ramp(-tilt, -0.45, -0.15) * _ramp(narrow, 0.3, 0.75)


def _measure_face(landmarks_xy: NDArray[np.floating]) -> tuple[float, float]:
    """Eye distance and eye-to-mouth distance."""
    left, right, _, mouth_left, mouth_right = _as_complex(landmarks_xy)
    return abs(right - left), abs(mouth_left + mouth_right - left - right) / 2


def _as_complex(points_xy: NDArray[np.floating]) -> list[complex]:
    """Points [K,2] as x + iy: of so few, Python's own numbers are quicker than arrays."""
    return [complex(x, y) for x, y in points_xy.tolist()]


def _measure_levels(image: NDArray[np.integer]) -> tuple[float, float]:
    """Mean and standard deviation."""
    mean, deviation = cv2.meanStdDev(image)
    return float(mean[0, 0]), float(deviation[0, 0])


def _ramp(value: float, zero: float, one: float) -> float:
    """0 up to `zero`, 1 from `one` on, straight between."""
    return min(max((value - zero) / (one - zero), 0.0), 1.0)
