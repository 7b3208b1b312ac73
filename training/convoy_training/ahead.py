"""Makes things in a thread before they are needed, in their order, and never more than a few ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def make_ahead(make: Callable[[Item], Made], items: Iterable[Item], makers: Executor, ahead: int) -> Iterator[Made]:
    """`make(item)` for each item, in order; up to `ahead` of them are made while you use the one before.

    What `make` raises is raised where its turn comes.
    """
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(makers.submit(make, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
