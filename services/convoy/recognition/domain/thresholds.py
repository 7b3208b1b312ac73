"""From a wanted rate of mistakes to a similarity threshold, and to a decision.

A calibration says how often two strangers reach a similarity: the false-match rate, FMR. A search for somebody who is
not in a gallery of N faces makes N comparisons, so it names somebody with probability FPIR = 1 - (1 - FMR)^N (ISO/IEC
19795-1, with comparisons taken as independent). Solved for FMR, that is the rate which one comparison may have.
The curve itself is FalseMatchCurve in core/models/calibration.py, which the faces service uses too.
"""

import math
from enum import Enum, StrEnum


class RateUnit(StrEnum):
    """What a rate of false names is a rate of: pictures that show strangers alone, or the faces of strangers."""

    PICTURE = "picture"
    FACE = "face"


class Decision(Enum):
    """What a search came to."""

    MATCH = "match"
    NO_MATCH = "no match"
    AMBIGUOUS = "ambiguous"


def comparison_rate(identification_rate: float, faces: int) -> float:
    """The false-match rate at which a search among `faces` faces has that false-positive identification rate."""
    if identification_rate >= 1.0:
        return 1.0
    return -math.expm1(math.log1p(-identification_rate) / max(faces, 1))


def identification_rate(false_match_rate: float, faces: int) -> float:
    """The chance that a search for a stranger among `faces` faces names anybody."""
    if false_match_rate >= 1.0:
        return 1.0 if faces else 0.0
    return -math.expm1(math.log1p(-false_match_rate) * faces)


def decide(best: float | None, second: float | None, threshold: float, margin: float) -> Decision:
    """What the similarities of the best and the second person mean; None where there is no such person.

    NO_MATCH: the best is below the threshold. AMBIGUOUS: the second reaches it too and is less than `margin` behind.
    """
    if best is None or best < threshold:
        return Decision.NO_MATCH
    if second is not None and second >= threshold and best - second < margin:
        return Decision.AMBIGUOUS
    return Decision.MATCH


def coarse_count(faces: int) -> int:
    """Round a number of faces up to 1, 4, 16, 64 and so on.

    Each further face in a picture makes its threshold a little stricter. By adding faces, or by choosing filters of
    many sizes, a caller could try many thresholds and so find a similarity that is hidden.
    """
    return 1 << 2 * (((faces - 1).bit_length() + 1) // 2)
