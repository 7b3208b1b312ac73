"""Whether the hints of the store reach this process."""

import math
import time


class Pulse:
    """Whether the store's hints reach this process: since when without a gap, and when they were last heard."""

    def __init__(self) -> None:
        self.begun_at = math.inf
        self.heard_at = -math.inf

    def begin(self) -> None:
        """Hints come from now on."""
        self.begun_at = self.heard_at = time.monotonic()

    def beat(self) -> None:
        """The store was heard."""
        self.heard_at = time.monotonic()

    def stop(self) -> None:
        """Hints come no more."""
        self.begun_at = math.inf

    @property
    def is_beating(self) -> bool:
        """Whether hints come."""
        return self.begun_at < math.inf
