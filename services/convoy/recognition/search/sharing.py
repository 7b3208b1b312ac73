"""Callers who wait at the same time are answered together, by one of them.

Memory is slower than arithmetic, so rows that are in the cache for one query serve the next one too. And threads that
compute at the same time take the interpreter lock from each other at every kernel, which costs more than a second core
gives. So one thread leads: the one that comes while nobody leads. It answers itself and those who came meanwhile. The
others sleep until they are answered, and the first who came too late leads next.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Query = TypeVar("Query")
Answer = TypeVar("Answer")
# At most this many are answered together, so that a caller does not wait for a whole crowd.
TOGETHER = 16


class _Caller(Generic[Query, Answer]):
    __slots__ = ("answer", "error", "query", "woken")

    def __init__(self, query: Query) -> None:
        self.query = query
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        # Released when the caller is answered, or is to lead. An Event takes several times as long to make.
        self.woken = threading.Lock()
        self.woken.acquire()


class Shared(Generic[Query, Answer]):
    """`answer` is called with one or more queries, by one thread at a time, and gives the answer of each."""

    def __init__(self, answer: Callable[[list[Query]], list[Answer]]) -> None:
        self._answer = answer
        self._led = False
        self._waiting: deque[_Caller[Query, Answer]] = deque()
        self._lock = threading.Lock()

    def ask(self, query: Query) -> Answer:
        """The query's answer; raises what answering raised."""
        caller: _Caller[Query, Answer] = _Caller(query)
        with self._lock:
            leads, self._led = not self._led, True
            if not leads:
                self._waiting.append(caller)
        if not leads:
            caller.woken.acquire()
        if caller.answer is None and caller.error is None:
            self._lead(caller)
        if caller.answer is None:
            raise caller.error or AssertionError
        return caller.answer

    def _serve(self, batch: list[_Caller[Query, Answer]]) -> None:
        try:
            answers = self._answer([one.query for one in batch])
            for one, answer in zip(batch, answers, strict=True):
                one.answer = answer
        except BaseException as error:
            if len(batch) == 1:
                batch[0].error = error
            else:
                # Answer each alone, so that one bad query fails no other.
                for one in batch:
                    self._serve([one])

    def _lead(self, caller: _Caller[Query, Answer]) -> None:
        batch = [caller]
        with self._lock:
            while self._waiting and len(batch) < TOGETHER:
                batch.append(self._waiting.popleft())
        self._serve(batch)
        with self._lock:
            following = self._waiting.popleft() if self._waiting else None
            self._led = following is not None
        if following is not None:
            following.woken.release()
        for one in batch:
            one.woken.release()
