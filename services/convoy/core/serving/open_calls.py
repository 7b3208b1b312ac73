"""Bounds the calls that are open at a time: an idle stream costs its service 50 KB, and its caller nothing."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from convoy.core.errors import ResourceExhausted
from convoy.core.turns import spread_s

MOST_CALLS = 4096
"""Most calls and streams that a process has open; one caller may have half of them."""
_RETRY_S = 1.0


class OpenCalls:
    """The open calls of a process, by caller."""

    def __init__(self, most: int = MOST_CALLS) -> None:
        self._most = most
        self._all = 0
        self._by: Counter[str] = Counter()

    @contextmanager
    def one_more(self, who: str) -> Iterator[None]:
        """Count a call until the block ends. Raises ResourceExhausted(TOO_MANY_CALLS)."""
        if self._all >= self._most or self._by[who] >= self._most // 2:
            facts = {"max_calls": self._most}
            raise ResourceExhausted("TOO_MANY_CALLS", "too many calls are open at once", spread_s(_RETRY_S), facts)
        self._all += 1
        self._by[who] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._by[who] -= 1
            if not self._by[who]:
                del self._by[who]
