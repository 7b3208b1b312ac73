"""Counts how often a caller who may not see similarities changes what decides: each change is a try of a threshold.

With a dozen thresholds, by halving, somebody finds a similarity; with a few dozen similarities, a template.
"""

from convoy.core.errors import ResourceExhausted
from convoy.core.security.callers import Caller
from convoy.core.security.rates import Rates
from convoy.core.security.scopes import SCORES
from convoy.core.turns import spread_s
from convoy.v1 import recognition_pb2 as pb

TRIES_AN_HOUR = 10
DECIDING = ("false_positive_identification_rate", "ambiguity_margin", "rate_unit", "same_occasion", "average_faces")
"""The fields of a policy from which the threshold of a decision follows."""


def sees_scores(caller: Caller) -> bool:
    """Whether a caller may see similarities and choose thresholds."""
    return caller.scopes is None or SCORES in caller.scopes


class PolicyTries:
    """Changes of deciding fields by each caller, over all galleries of this replica."""

    def __init__(self) -> None:
        self._rates = Rates(TRIES_AN_HOUR / 3600, TRIES_AN_HOUR)

    def count(self, caller: Caller, request: pb.CreateGalleryRequest | pb.UpdateGalleryRequest) -> None:
        """Count a request that changes what decides. Raises ResourceExhausted(RATE_LIMITED) if there were too many."""
        reset = request.reset_policy_fields if isinstance(request, pb.UpdateGalleryRequest) else ()
        named = {field.name for field, _ in request.policy.ListFields()}
        decides = not named.union(reset).isdisjoint(DECIDING)
        if sees_scores(caller) or not decides:
            return
        if delay_s := self._rates.take(caller.name):
            message = f"without the scope {SCORES}, {TRIES_AN_HOUR} changes of what decides are allowed an hour"
            raise ResourceExhausted("RATE_LIMITED", message, spread_s(delay_s), {"scope": SCORES})
