"""How like the picture an answer is that is a picture: whether pixels were prepared as the network wants them."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from convoy.core.pictures.decoding import Pixels

LEAST, SURE = 0.5, 0.8
"""Correlations: below the first, the preparation is doubtful; from the second on, it is believed."""
FAR, NEAR = 80.0, 40.0
"""Differences of the mean and of the deviation in grey levels, likewise."""


@dataclass(frozen=True)
class Likeness:
    """correlation: of the brightness, -1 to 1; off: how far mean or deviation differ; lowest, highest: grey levels."""

    correlation: float
    off: float
    lowest: float
    highest: float

    @property
    def is_doubted(self) -> bool:
        """Whether the answer is hardly a picture of the same thing."""
        return self.correlation < LEAST or self.off > FAR

    @property
    def is_sure(self) -> bool:
        """Whether it clearly is."""
        return self.correlation >= SURE and self.off <= NEAR

    def __str__(self) -> str:
        return (
            f"grey levels {self.lowest:.0f} to {self.highest:.0f}, correlation with the picture {self.correlation:.2f}"
        )


def compare(answer: npt.NDArray[np.generic], picture: Pixels) -> Likeness:
    """Compare a picture [h, w, 1 or 3] of grey levels, not yet cut to 0..255, with the one that it was made of."""
    bright = np.nan_to_num(np.asarray(answer, np.float64)).mean(axis=2)
    size = (bright.shape[1], bright.shape[0])
    truth = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float64).mean(axis=2)
    deviations = float(bright.std()), float(truth.std())
    both = float(np.mean((bright - bright.mean()) * (truth - truth.mean())))
    correlation = both / (deviations[0] * deviations[1]) if min(deviations) > 0 else 0.0
    off = max(abs(float(bright.mean() - truth.mean())), abs(deviations[0] - deviations[1]))
    return Likeness(correlation, off, float(bright.min()), float(bright.max()))
