"""How long a follower has not heard of the store, and what that means for searches."""

import time

from convoy.recognition.search.pulse import Pulse

# A search looks whether the gallery is changed if the store was not heard for so long, or if only the want of hints has
# said for so long that it is not.
QUIET_S, LOOKED_S = 3.0, 10.0
# How long the store may be away before callers are told: shorter than most of their deadlines.
GRACE_S = 2.5
# After this silence of the store a replica stops answering: it might name somebody who was deleted elsewhere.
MAX_SILENCE_S = 5.0


class Freshness:
    """When a gallery was last as this process has it: by looking, or since hints would have told of a change."""

    def __init__(self, pulse: Pulse) -> None:
        self.looked_at = time.monotonic()
        self._pulse = pulse

    def settle(self) -> None:
        """Hints end: until they were heard last, they would have told of a change."""
        self.looked_at = self.heard_at

    @property
    def is_hinted(self) -> bool:
        """Whether hints have come without a gap since this process looked last."""
        return self._pulse.begun_at <= self.looked_at

    @property
    def heard_at(self) -> float:
        """When the store last said something of this gallery. While hints come, silence says that it is unchanged."""
        return max(self.looked_at, self._pulse.heard_at) if self.is_hinted else self.looked_at

    @property
    def silent_s(self) -> float:
        """For how long the store has said nothing."""
        return time.monotonic() - self.heard_at

    @property
    def is_fresh(self) -> bool:
        """Whether a search need not look first."""
        return self.silent_s < QUIET_S and time.monotonic() - self.looked_at < LOOKED_S

    @property
    def is_silent(self) -> bool:
        """Whether the hints, which come every second, have stayed away."""
        return self._pulse.is_beating and time.monotonic() - self._pulse.heard_at > GRACE_S
