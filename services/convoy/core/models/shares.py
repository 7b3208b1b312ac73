"""Who has how much in work, and threads for those who ask for little beside the flood of another caller."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from convoy.core.machine import PROMPT_NICENESS, give_way
from convoy.core.telemetry import prompt_count


class Shares:
    """What each caller has in work in this process: waiting or running. places: how much runs at a time."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._in_work: Counter[str] = Counter()
        self._greedy: set[str] = set()

    @contextmanager
    def in_work(self, who: str) -> Iterator[None]:
        """Count one thing of a caller until the block ends."""
        self._in_work[who] += 1
        if self._in_work[who] > self._places:
            self._greedy.add(who)
        try:
            yield
        finally:
            _less(self._in_work, who)
            if self._in_work[who] <= self._places:
                self._greedy.discard(who)

    def is_beside_a_flood(self, who: str) -> bool:
        """Whether another caller would fill all places alone, and this one would not."""
        return bool(self._greedy) and who not in self._greedy


class PromptThreads:
    """As many threads as cores, which the system lets run before the others.

    Callers take turns everywhere, but whose turn has come still waits for what runs, and then shares the cores with it:
    beside a flood, a short call would take several times as long. So who asks for little, beside somebody who fills all
    others, gets one of these threads. Where several ask, they take turns.
    """

    def __init__(self, cores: int, name: str, shares: Shares) -> None:
        self.shares = shares
        self._cores = cores
        self._name = name
        self.running = 0
        self._threads = ThreadPoolExecutor(cores, f"{name}-prompt", partial(give_way, PROMPT_NICENESS))

    def may_start(self, who: str) -> bool:
        """Whether there is a thread for this caller now."""
        return self.running < self._cores and self.shares.is_beside_a_flood(who)

    def submit(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do `work` in a thread; call `end` afterwards."""
        self.running += 1
        prompt_count(self._name).inc()
        self._threads.submit(work, *arguments)

    def end(self) -> None:
        """Give a thread back."""
        self.running -= 1

    def shutdown(self) -> None:
        """Wait until everything is done."""
        self._threads.shutdown()


def _less(counter: Counter[str], who: str) -> None:
    counter[who] -= 1
    if counter[who] <= 0:
        del counter[who]
