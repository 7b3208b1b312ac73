"""How well spoilt pictures are mended: what is measured, and what it is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convoy_training.augment.degradation import Degradation, Downscale, Noise
from convoy_training.metrics.picture_quality import measure_psnr, measure_ssim, studio_luminance
from convoy_training.metrics.yardsticks import average_alike, enlarge, fill_by_telea

Pixels = NDArray[np.uint8]


def mend_plainly(spoilt: Pixels, degrade: Degradation, level: float, mask: Pixels | None) -> Pixels:
    """What the yardstick makes of a spoilt picture: what needs no training, or nothing at all."""
    if isinstance(degrade, Downscale):
        return enlarge(spoilt, degrade.scale)
    if isinstance(degrade, Noise):
        return average_alike(spoilt, level)
    return spoilt if mask is None else fill_by_telea(spoilt, mask)


def measure(answer: Pixels, truth: Pixels, degrade: Degradation, mask: Pixels | None = None) -> tuple[float, float]:
    """PSNR in dB and SSIM; of super-resolution on the luminance and without the border, as the papers do.

    With a mask both are those of its pixels alone: SSIM is that of the windows around them.
    """
    if mask is not None:
        return measure_psnr(answer[mask > 0], truth[mask > 0]), measure_ssim(answer, truth, mask > 0)
    if isinstance(degrade, Downscale):
        cut = degrade.scale
        bright, true = (studio_luminance(one)[cut:-cut, cut:-cut] for one in (answer, truth))
        return measure_psnr(bright, true), measure_ssim(bright, true)
    return measure_psnr(answer, truth), measure_ssim(answer, truth)


def yardstick(degrade: Degradation) -> str:
    """The name of what the network is compared with."""
    names = {"noise": "non_local_means", "downscale": "bicubic", "holes": "telea"}
    return names.get(degrade.kind, "unmended")


def suffix(degrade: Degradation, level: float) -> str:
    """What a metric's name says about the level."""
    names = {"noise": f"_sigma_{level:g}", "jpeg": f"_quality_{level:g}", "holes": f"_thickness_{level:g}"}
    return names.get(degrade.kind, "")


def condition(degrade: Degradation, colour: str) -> str:
    """What the numbers cover."""
    if isinstance(degrade, Downscale):
        return (
            f"photographs shrunk {degrade.factor} times by bicubic interpolation; luminance 16..235, "
            f"{degrade.scale} pixels at the border left out"
        )
    pixels = "luminance alone" if colour == "luminance" else "red, green and blue"
    told = {
        "noise": "noise rounded and cut to 0..255", "jpeg": "compressed once more", "grey": "of their luminance",
        "holes": "of the missing pixels alone",
    }  # fmt: skip
    return f"{pixels}; {told[degrade.kind]}"
