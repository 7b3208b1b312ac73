"""How like a picture is to the original: PSNR and SSIM (Wang et al. 2004)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

Pixels = NDArray[np.uint8]
_PEAK = 255.0


def measure_psnr(answer: NDArray[np.number], truth: NDArray[np.number]) -> float:
    """The peak signal-to-noise ratio in dB, for a peak of 255; infinite for equal pictures."""
    error = float(np.mean((answer.astype(np.float64) - truth.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(_PEAK**2 / error))


def measure_ssim(
    answer: NDArray[np.number], truth: NDArray[np.number], where: NDArray[np.bool_] | None = None
) -> float:
    """The mean structural similarity of [H,W] or [H,W,3] in 0..255, by the paper's Gaussian windows of 1.5 pixels.

    where: [H,W], whose windows count, by the pixel in their middle; by default all that lie inside the picture.
    """
    mean, each = structural_similarity(
        answer.astype(np.float64), truth.astype(np.float64), data_range=_PEAK, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, channel_axis=-1 if truth.ndim == 3 else None, full=True,
    )  # fmt: skip
    return float(mean if where is None else each[where].mean())


def studio_luminance(picture: Pixels) -> NDArray[np.float64]:
    """The luminance 16..235 [H,W] of RGB [H,W,3], not rounded: MATLAB's rgb2ycbcr, with which papers measure PSNR."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    luminance: NDArray[np.float64] = 16 + picture.astype(np.float64) @ weights
    return luminance
