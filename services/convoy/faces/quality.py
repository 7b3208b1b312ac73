"""How well a face can be recognised: size, sharpness, exposure and pose, each 0 to 1, and all in one number.

No model: plain measures of the aligned crop and of the landmarks, cheap enough for every face of every photo.
"""

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
    """All parts lie between 0 (useless) and 1 (as good as it gets); `score` is their weighted geometric mean."""

    score: float
    size: float
    sharpness: float
    exposure: float
    frontality: float


def assess_quality(aligned_rgb: NDArray[np.uint8], landmarks_xy: NDArray[np.floating], detection: float) -> FaceQuality:
    """Judge a face by its aligned crop [112,112,3], its landmarks [5,2] in picture pixels and the detector's score.

    One bad part makes a bad face, whatever the others are: hence the geometric mean.
    """
    grey = np.asarray(cv2.cvtColor(aligned_rgb, cv2.COLOR_RGB2GRAY), np.uint8)[FACE]
    parts = {
        "size": measure_size(landmarks_xy),
        "sharpness": measure_sharpness(grey),
        "exposure": measure_exposure(grey),
        "frontality": measure_frontality(landmarks_xy),
    }
    weighted = [WEIGHTS[name] * np.log(max(value, 1e-6)) for name, value in {**parts, "detection": detection}.items()]
    return FaceQuality(score=float(np.exp(sum(weighted) / sum(WEIGHTS.values()))), **parts)


def measure_size(landmarks_xy: NDArray[np.floating]) -> float:
    """Enough pixels: by the eye distance, or by the height of the face where it is turned away."""
    across, down = _measure_face(np.asarray(landmarks_xy, np.float64))
    return _ramp(max(across, EYES_TO_MOUTH * down), *EYE_DISTANCE_PX)


def measure_sharpness(grey: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian [Pech-Pacheco et al., ICPR 2000], independent of contrast, on a logarithmic scale."""
    contrast = max(float(grey.std()), 4.0)
    variance = float(cv2.Laplacian(grey, cv2.CV_32F).var()) * (40.0 / contrast) ** 2
    return _ramp(np.log10(variance + 1e-6), *LAPLACIAN_LOG10)


def measure_exposure(grey: NDArray[np.uint8]) -> float:
    """Contrast, times the share of pixels that are neither black nor burnt out, times how far the mean is from both."""
    usable = float(np.mean((grey > 12) & (grey < 243)))
    mean = float(grey.mean())
    return _ramp(float(grey.std()), *CONTRAST_LEVELS) * usable * _ramp(mean, 15, 70) * _ramp(255 - mean, 15, 60)


def measure_frontality(landmarks_xy: NDArray[np.floating]) -> float:
    """1 from the front, 0 in profile or far up or down; a tilted head is no fault, since alignment turns it back."""
    points = np.asarray(landmarks_xy, np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across, down = _measure_face(points)
    size = max(across, EYES_TO_MOUTH * down)
    if size < 1e-6 or down < 1e-6:
        return 0.0
    downwards = (mouth - eyes) / down
    nose = points[2] - eyes
    sideways = abs(float(nose @ np.array([-downwards[1], downwards[0]]))) / size
    tilt = abs(float(nose @ downwards) / down - NOSE_HEIGHT)
    narrow = across / (EYES_TO_MOUTH * down)
    return _ramp(-sideways, -0.5, -0.1) * _ramp(-tilt, -0.45, -0.15) * _ramp(narrow, 0.3, 0.75)


def _measure_face(points: NDArray[np.float64]) -> tuple[float, float]:
    """Eye distance and eye-to-mouth distance."""
    across = float(np.linalg.norm(points[1] - points[0]))
    return across, float(np.linalg.norm(points[3:].mean(axis=0) - points[:2].mean(axis=0)))


def _ramp(value: float, zero: float, one: float) -> float:
    """0 up to `zero`, 1 from `one` on, straight between."""
    return float(np.clip((value - zero) / (one - zero), 0.0, 1.0))
