"""How long commands that send many photos wait for a service, and how they tell one that is away from a bad photo."""

import time
from collections.abc import Callable
from typing import TypeVar

from convoy.core.errors import ConvoyError, DeadlineExceeded, ResourceExhausted, Unavailable

TRIES = 5
PAUSE_S = 0.5
AWAY = (Unavailable, DeadlineExceeded, ResourceExhausted)
"""What may pass by itself."""
MOST_IN_A_ROW = 20
"""So many photos that fail one after another are no photos' fault."""
RESUMED = "the same command goes on where this one ended"
T = TypeVar("T")


class Patience:
    """Waits longer before each further try, and not for ever."""

    def __init__(self) -> None:
        self._tries = 0

    def wait(self, error: ConvoyError) -> None:
        """Wait before another try. Raises the error after enough tries, or at once if no waiting helps."""
        self._tries += 1
        if self._tries == TRIES or error.reason == "GALLERY_FULL":
            raise error
        time.sleep(PAUSE_S * 2**self._tries)

    def renew(self) -> None:
        """Begin anew: something succeeded."""
        self._tries = 0


def steadily(call: Callable[[], T]) -> T:
    """Make a call; if a service is away, wait and try again a few times. Raises what the last try raised."""
    patience = Patience()
    while True:
        try:
            return call()
        except AWAY as error:
            patience.wait(error)


def is_broken(error: ConvoyError) -> bool:
    """Whether a call failed by no fault that the service names: it may be the photo, or the service itself.

    A full queue or gallery is neither.
    """
    return isinstance(error, Unavailable | DeadlineExceeded) or type(error) is ConvoyError


class Suspicion:
    """Whose fault it is that a call with a photo fails. look: a call without one, which a service that runs answers."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look
        self._in_a_row = 0

    def clear(self) -> None:
        """Note that a photo was answered."""
        self._in_a_row = 0

    def weigh(self, error: ConvoyError) -> None:
        """Return if it is the photo's. Raises the error if the service is away, or fails on one photo after another."""
        try:
            self._look()
        except ConvoyError:
            error.hint = error.hint or f"see that it runs; {RESUMED}"
            raise error from None
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            error.hint = f"it failed on {MOST_IN_A_ROW} photos in a row: read its log; {RESUMED}"
            raise error
