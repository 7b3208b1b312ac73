"""Dynamic batching that never waits while an engine is free.

A request goes straight in while a runner is free; while all are busy requests gather, and the next free runner takes as
many of one input shape as fit. Whoever has given up, or whose deadline has passed, is dropped before it costs anything;
a full queue, or one too long for the caller's deadline, refuses at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from convoy.core.engine import Outputs
from convoy.core.errors import DeadlineExceeded, ResourceExhausted

Array = npt.NDArray[np.generic]
Run = Callable[[Array, bool], Outputs]
_SMOOTHING = 0.1
_SHORTEST_RETRY_S = 0.01
# Of the time that a caller leaves, what the expected wait may fill: the rest is for what was expected wrongly, since an
# answer that comes just too late has cost as much as a good one.
_DEADLINE_SHARE = 0.6


@dataclass(frozen=True)
class BatchPolicy:
    """How a batcher gathers.

    max_batch_size: inputs that run together; max_queue_delay_s: how long an input may wait for company although a
    runner is free; queue_size: inputs that may wait; runners: batches that run at the same time.
    """

    max_batch_size: int = 4
    max_queue_delay_s: float = 0.0
    queue_size: int = 128
    runners: int = 1


@dataclass(frozen=True)
class Timing:
    """Seconds that one input waited and that its batch ran, and how many ran together."""

    queue_s: float
    infer_s: float
    batch_size: int


@dataclass(eq=False)
class _Waiting:
    """One input on its way; `deadline` is on time.monotonic's clock."""

    inputs: Array
    deadline: float | None
    result: asyncio.Future[tuple[Outputs, Timing]]
    since: float = field(default_factory=time.monotonic)

    @property
    def abandoned(self) -> bool:
        return self.result.done()

    @property
    def expired(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


class Batcher:
    """Gathers single inputs for one engine, in one event loop.

    run: takes a stacked batch [N, ...] and whether it has the machine to itself, gives arrays whose first axis is N; it
    is called in `executor`. Higher priorities leave the queue first; equal ones in order of arrival.
    """

    def __init__(self, run: Run, policy: BatchPolicy, executor: Executor) -> None:
        self._run = run
        self.policy = policy
        self._executor = executor
        self._queues: dict[int, deque[_Waiting]] = {}
        self._queued = 0
        self._running = 0
        self._input_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def queue_depth(self) -> int:
        """Inputs that wait for a runner."""
        return self._queued

    async def submit(self, inputs: Array, deadline: float | None = None, priority: int = 0) -> tuple[Outputs, Timing]:
        """Run one input [...] and give its row of every output, with how long it took.

        deadline: on time.monotonic's clock. Raises ResourceExhausted(QUEUE_FULL), DeadlineExceeded, or what the engine
        raised for this very input.
        """
        self._admit(deadline)
        waiting = _Waiting(inputs, deadline, asyncio.get_running_loop().create_future())
        self._queues.setdefault(priority, deque()).append(waiting)
        self._queued += 1
        self._dispatch()
        return await waiting.result

    async def close(self) -> None:
        """Wait until everything that was admitted is answered."""
        while self._queued or self._tasks:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._dispatch(hurry=True)
            if self._tasks:
                await asyncio.wait(set(self._tasks))

    def _admit(self, deadline: float | None) -> None:
        wait_s = self._expected_wait_s()
        if self._queued >= self.policy.queue_size:
            facts = {"queue_size": self.policy.queue_size}
            raise ResourceExhausted("QUEUE_FULL", "the queue is full", max(wait_s, _SHORTEST_RETRY_S), facts)
        if deadline is None:
            return
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline had passed before the work began")
        if self._queued and wait_s + self._input_s > left_s * _DEADLINE_SHARE:
            message = f"the queue takes {wait_s:.3f} s and the deadline is in {left_s:.3f} s"
            raise ResourceExhausted("QUEUE_FULL", message, max(wait_s, _SHORTEST_RETRY_S))

    def _expected_wait_s(self) -> float:
        return (self._queued + self._running) * self._input_s / self.policy.runners

    def _dispatch(self, hurry: bool = False) -> None:
        while self._running < self.policy.runners and self._queued:
            if not hurry and self._may_gather():
                return
            batch = self._take()
            if not batch:
                return
            self._running += 1
            task = asyncio.ensure_future(self._execute(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _may_gather(self) -> bool:
        delay_s = self.policy.max_queue_delay_s
        if delay_s <= 0 or self._queued >= self.policy.max_batch_size:
            return False
        oldest = min(queue[0].since for queue in self._queues.values() if queue)
        remaining_s = oldest + delay_s - time.monotonic()
        if remaining_s <= 0:
            return False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(remaining_s, self._wake)
        return True

    def _wake(self) -> None:
        self._timer = None
        self._dispatch()

    def _take(self) -> list[_Waiting]:
        """The next inputs of one shape, those given up dropped; what does not fit stays in its place."""
        batch: list[_Waiting] = []
        for priority in sorted(self._queues, reverse=True):
            queue = self._queues[priority]
            others: list[_Waiting] = []
            while queue and len(batch) < self.policy.max_batch_size:
                waiting = queue.popleft()
                if batch and not _alike(waiting.inputs, batch[0].inputs):
                    others.append(waiting)
                    continue
                self._queued -= 1
                if not _drop(waiting):
                    batch.append(waiting)
            queue.extendleft(reversed(others))
            if not queue:
                del self._queues[priority]
        return batch

    async def _execute(self, batch: list[_Waiting]) -> None:
        try:
            await self._run_batch(batch)
        finally:
            self._running -= 1
            self._dispatch()

    async def _run_batch(self, batch: list[_Waiting]) -> None:
        alone = self._running == 1 and not self._queued
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            outputs = await loop.run_in_executor(self._executor, self._run_stacked, batch, alone)
        except Exception as error:
            await self._run_each(batch, error)
            return
        infer_s = time.monotonic() - started
        self._learn(infer_s / len(batch))
        for row, waiting in enumerate(batch):
            if not waiting.abandoned:
                timing = Timing(started - waiting.since, infer_s, len(batch))
                waiting.result.set_result(({name: values[row] for name, values in outputs.items()}, timing))

    async def _run_each(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """One bad input must not fail its neighbours: after a failure each runs by itself."""
        if len(batch) > 1:
            for waiting in batch:
                if not _drop(waiting):
                    await self._run_batch([waiting])
        elif not batch[0].abandoned:
            batch[0].result.set_exception(error)

    def _run_stacked(self, batch: Sequence[_Waiting], alone: bool) -> Outputs:
        inputs = batch[0].inputs[None] if len(batch) == 1 else np.stack([waiting.inputs for waiting in batch])
        outputs = self._run(inputs, alone)
        for name, values in outputs.items():
            if len(values) != len(batch):
                raise ValueError(f"the output {name} has {len(values)} rows for a batch of {len(batch)}")
        return outputs

    def _learn(self, input_s: float) -> None:
        self._input_s = input_s if self._input_s == 0 else (1 - _SMOOTHING) * self._input_s + _SMOOTHING * input_s


def _alike(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def _drop(waiting: _Waiting) -> bool:
    if waiting.abandoned:
        return True
    if waiting.expired:
        waiting.result.set_exception(
            DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline passed while the work waited for its turn")
        )
        return True
    return False
