"""How large a gallery may grow before it recognises too few of its people.

The threshold for a wanted rate of mistakes rises with the size of a gallery (see thresholds.py), and a person's own
photo stays below it more often. How often is the false non-match rate at that threshold, by the pairs of one person's
photos in the embedder's calibration: the chance that a search for somebody with one face on record does not name them.
A person with several faces on record is missed less often; one whom the margin makes AMBIGUOUS is missed as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from convoy.core.models.calibration import FalseMatchCurve, MissCurve
from convoy.recognition.domain.thresholds import comparison_rate

NEARLY = 0.8
"""From this share of the size at which it is outgrown, a gallery is nearly outgrown."""
MOST_FACES = 10**9


class Fit(Enum):
    """How a gallery's size suits its embedder."""

    UNKNOWN = "unknown"
    FITS = "fits"
    NEARLY_OUTGROWN = "nearly outgrown"
    OUTGROWN = "outgrown"


@dataclass(frozen=True, slots=True)
class Genuine:
    """How similar photos of one person are to an embedder; pairs: how many were compared, dataset: which."""

    curve: MissCurve
    pairs: int
    dataset: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a gallery's size means. None: unknown. A gallery is outgrown from `outgrown_at_faces` on; None: never."""

    fit: Fit
    false_positive_identification_rate: float
    miss_rate_limit: float
    expected_miss_rate: float | None = None
    outgrown_at_faces: int | None = None
    genuine: Genuine | None = None
    unknown_because: str = ""


def judge_size(strangers: FalseMatchCurve, genuine: Genuine, faces: int, rate: float, limit: float) -> Limits:
    """What it means that a gallery holds `faces` faces.

    rate: the false-positive identification rate that its policy asks for; limit: the highest miss rate.
    """

    def expect(size: int) -> float:
        return genuine.curve.miss_rate_at(strangers.threshold(comparison_rate(rate, size)))

    outgrown_at = _first(lambda size: expect(size) > limit)
    fit = Fit.FITS
    if outgrown_at is not None and faces >= NEARLY * outgrown_at:
        fit = Fit.OUTGROWN if faces >= outgrown_at else Fit.NEARLY_OUTGROWN
    return Limits(fit, rate, limit, expect(faces), outgrown_at, genuine)


def _first(is_too_large: Callable[[int], bool]) -> int | None:
    """The least size that is too large, if there is one: whoever is larger than that is too large as well."""
    low, high = 0, 1
    while not is_too_large(high):
        if high >= MOST_FACES:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_too_large(middle) else (middle, high)
    return high
