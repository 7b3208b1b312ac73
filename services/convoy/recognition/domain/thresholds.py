"""From a wanted rate of mistakes to a similarity threshold, and to a decision.

A calibration says how often two strangers reach a similarity (false-match rate, FMR). A search for somebody who is not
in a gallery of N faces compares N times, so it names somebody with probability FPIR = 1 - (1 - FMR)^N (ISO/IEC 19795-1,
comparisons taken as independent); solved for FMR that is the rate which one comparison may have.
The curve itself is core.calibration.FalseMatchCurve, shared with the faces service.
"""

import math
from enum import Enum


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
    """MATCH when only the best passes, or the second does by `margin` less; similarities None where there is nobody."""
    if best is None or best < threshold:
        return Decision.NO_MATCH
    if second is not None and second >= threshold and best - second < margin:
        return Decision.AMBIGUOUS
    return Decision.MATCH
