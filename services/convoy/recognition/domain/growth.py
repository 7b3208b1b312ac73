"""How large a gallery may grow before it recognises too few of its people.

The threshold for a wanted rate of mistakes rises with the size of a gallery (see thresholds.py), and a person's own
photo stays below it more often. How often is the false non-match rate at that threshold, by the pairs of one person's
photos in the embedder's calibration: the chance that a search for somebody with one face on record does not name them.
A person with several faces on record is missed less often; one whom the margin makes AMBIGUOUS is missed as well.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

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
    outgrown_at = find_size(strangers, genuine, rate, limit)
    fit = Fit.FITS
    if outgrown_at is not None and faces >= NEARLY * outgrown_at:
        fit = Fit.OUTGROWN if faces >= outgrown_at else Fit.NEARLY_OUTGROWN
    return Limits(fit, rate, limit, expect_misses(strangers, genuine, rate, faces), outgrown_at, genuine)


def expect_misses(strangers: FalseMatchCurve, genuine: Genuine, rate: float, faces: int) -> float:
    """The expected miss rate among `faces` faces."""
    return genuine.curve.miss_rate_at(strangers.threshold(comparison_rate(rate, faces)))


@lru_cache(maxsize=256)
def find_size(strangers: FalseMatchCurve, genuine: Genuine, rate: float, limit: float) -> int | None:
    """The least number of faces at which the expected miss rate is above the limit; None beyond a billion.

    It does not depend on the gallery's size, so it is found once, and not at each registration.
    """
    low, high = 0, 1
    while expect_misses(strangers, genuine, rate, high) <= limit:
        if high >= MOST_FACES:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        is_too_large = expect_misses(strangers, genuine, rate, middle) > limit
        low, high = (low, middle) if is_too_large else (middle, high)
    return high
