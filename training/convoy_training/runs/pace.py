"""When a training validates between its epochs: every so many of them, or for a share of its time."""

from __future__ import annotations

import time
from types import TracebackType


class Pace:
    """Says after which epochs to validate; `with pace:` measures a validation.

    every: epochs between validations. share: of the time that validations may take. The first epoch is validated, which
    shows what one takes; another follows when the training since then has been long enough. With both 0: never.
    """

    def __init__(self, every: int, share: float) -> None:
        self.every, self.share = every, share
        self.trained_s = self.took_s = self.began = 0.0

    def is_due(self, epoch: int, spent_s: float) -> bool:
        """Whether to validate after this epoch (1 is the first), which took so many seconds."""
        self.trained_s += spent_s
        if self.share:
            return self.took_s == 0.0 or self.took_s <= self.share * (self.trained_s + self.took_s)
        return bool(self.every) and epoch % self.every == 0

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # The next one is paid for by the training that follows.
        self.took_s, self.trained_s = time.monotonic() - self.began, 0.0
