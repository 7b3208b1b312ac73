"""Face alignment: five landmarks to the 112x112 reference that face embedders are trained on.

Training and serving use this one file, so a face is cut in exactly the same way in both.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

ALIGNED_SIZE_PX = 112

REFERENCE_LANDMARKS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""Landmarks of an aligned 112x112 face: left eye, right eye, nose, mouth left, mouth right, as seen in the picture.

Source: the reference points of ArcFace (Deng et al., CVPR 2019), shared by the embedders of its family.
"""


class DegenerateLandmarksError(ValueError):
    """The landmarks coincide or are not finite, so no similarity transform fits them."""


def estimate_similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float32]:
    """Fit the similarity transform (rotation, one scale, translation) that maps source onto target best.

    Both are [K,2] points; returns the [2,3] matrix with target ~ matrix @ (x, y, 1), least squares, never a reflection.
    Raises DegenerateLandmarksError if the source points coincide or a point is not finite.
    Source: Umeyama, "Least-squares estimation of transformation parameters", TPAMI 1991, equations 40 to 42. In
    two dimensions, their singular value decomposition reduces to a quotient of complex numbers.
    """
    start, end = _as_complex(source), _as_complex(target)
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        raise DegenerateLandmarksError("the landmarks are not finite")
    start_mean, end_mean = start.mean(), end.mean()
    spread = np.vdot(start - start_mean, start - start_mean).real
    if spread / len(start) < 1e-9:
        raise DegenerateLandmarksError("the landmarks coincide")
    turn = np.vdot(start - start_mean, end - end_mean) / spread
    shift = end_mean - turn * start_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float32)


def _as_complex(points_xy: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Write points [K,2] as x + iy [K]: in two dimensions, rotating and scaling is a product with a complex number."""
    return np.ascontiguousarray(points_xy, np.float64).view(np.complex128)[:, 0]


def align_face(
    image_rgb: NDArray[np.uint8], landmarks: NDArray[np.floating], size_px: int = ALIGNED_SIZE_PX, border_px: int = 0
) -> NDArray[np.uint8]:
    """Cut the face with these [5,2] landmarks out of an [H,W,3] picture, as an aligned [size,size,3] crop.

    border_px: further pixels on each side; the crop is then [size + 2 border, size + 2 border, 3].
    A face much larger than the crop is first reduced by area averaging, so that the warp does not alias.
    Pixels outside the picture are black. Raises DegenerateLandmarksError.
    """
    reference = REFERENCE_LANDMARKS * (size_px / ALIGNED_SIZE_PX) + border_px
    size_px += 2 * border_px
    matrix = estimate_similarity(landmarks, reference)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        image_rgb, matrix = _reduce_around(image_rgb, matrix, scale, size_px)
    return cv2.warpAffine(image_rgb, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _reduce_around(
    image_rgb: NDArray[np.uint8], matrix: NDArray[np.float32], scale: float, size_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Shrink the part of the picture under the crop to about the crop's scale; return it with its own matrix."""
    height, width = image_rgb.shape[:2]
    corners = np.array([[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]], np.float32)
    inverse = cv2.invertAffineTransform(matrix)
    covered = corners @ inverse[:, :2].T + inverse[:, 2]
    left, top = np.clip(np.floor(covered.min(axis=0)).astype(int), 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(covered.max(axis=0)).astype(int) + 1, [left + 1, top + 1], [width, height])
    part = image_rgb[top:bottom, left:right]
    target = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    reduced = cv2.resize(part, target, interpolation=cv2.INTER_AREA)
    # Pixel centres: x_part + 0.5 = (x_reduced + 0.5) * ratio, so both frames stay aligned to a fraction of a pixel.
    ratio = np.array([part.shape[1] / target[0], part.shape[0] / target[1]])
    to_full = np.array(
        [[ratio[0], 0, left + 0.5 * ratio[0] - 0.5], [0, ratio[1], top + 0.5 * ratio[1] - 0.5], [0, 0, 1]]
    )
    return reduced, (np.vstack([matrix, [0, 0, 1]]) @ to_full)[:2].astype(np.float32)  # type: ignore[return-value]
