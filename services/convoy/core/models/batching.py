"""Gathers inputs into batches, and does not wait while an engine is free.

If a runner is free, an input runs at once. If all are busy, inputs wait, and the next free runner takes as many inputs
of one shape as fit. Callers take turns. The queue drops an input before it runs if its caller gave up or its deadline
passed. It refuses an input at once if it is full, or if the expected wait is too long for the caller's deadline. In a
full queue, a caller who has less than a fair share takes the place of the newest input of the caller who has most.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from convoy.core.errors import DeadlineExceeded, ResourceExhausted
from convoy.core.models.engine import Outputs
from convoy.core.models.fair_queue import FairQueue
from convoy.core.models.shares import PromptThreads
from convoy.core.turns import current_turn, spread_s

Array = npt.NDArray[np.generic]
Run = Callable[[Array, bool], Outputs]
_SMOOTHING = 0.1
_SHORTEST_RETRY_S = 0.01
# The expected wait may fill this share of the caller's time. Estimates err, and an answer that comes just too late
# costs as much as a good one.
_DEADLINE_SHARE = 0.6


@dataclass(frozen=True)
class BatchPolicy:
    """How a batcher gathers.

    max_batch_size: most inputs in a batch; max_queue_delay_s: how long an input waits for others although a runner is
    free; queue_size: most inputs that wait; runners: batches that run at the same time; ready: further batches that
    threads hold, so that one starts the moment another ends.
    """

    max_batch_size: int = 4
    max_queue_delay_s: float = 0.0
    queue_size: int = 128
    runners: int = 1
    ready: int = 0


@dataclass(frozen=True)
class Timing:
    """How long one input waited and how long its batch ran, in seconds, and how many inputs the batch had."""

    queue_s: float
    infer_s: float
    batch_size: int


Answer = tuple[Outputs, Timing]


@dataclass(eq=False)
class _Waiting:
    """One input in the queue or running; `deadline` is on time.monotonic's clock."""

    inputs: Array
    deadline: float | None
    result: asyncio.Future[Answer]
    since: float = field(default_factory=time.monotonic)
    answer: Answer | Exception | None = None

    @property
    def abandoned(self) -> bool:
        return self.result.done()

    @property
    def expired(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def settle(self) -> None:
        """Give the answer to a caller who still waits; without an answer, say that the deadline has passed."""
        if self.abandoned:
            return
        if isinstance(self.answer, tuple):
            self.result.set_result(self.answer)
        else:
            message = "the deadline passed while the input waited for the model"
            self.result.set_exception(self.answer or DeadlineExceeded("DEADLINE_EXCEEDED", message))


class Batcher:
    """Gathers single inputs for one engine, in one event loop.

    run: called in `executor` with a batch [N, ...] and whether nothing else runs; returns arrays whose first axis is N.
    Inputs with a higher priority run first. With equal priority, callers take turns; the inputs of each run in order.
    """

    def __init__(self, run: Run, policy: BatchPolicy, executor: Executor, prompt: PromptThreads | None = None) -> None:
        self._run = run
        self.policy = policy
        self._executor = executor
        self._prompt = prompt
        self._queues: dict[int, FairQueue[_Waiting]] = {}
        self._queued = 0
        self._preparing: Counter[str] = Counter()
        self._running = 0
        self._prompt_running = 0
        self._input_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._finished = asyncio.Event()

    @property
    def queue_depth(self) -> int:
        """Inputs that wait for a runner."""
        return self._queued

    async def submit(self, inputs: Array, deadline: float | None = None, priority: int = 0) -> Answer:
        """Run one input [...] and return its row of every output, with its timing.

        deadline: on time.monotonic's clock. Raises ResourceExhausted(QUEUE_FULL), DeadlineExceeded, or what the engine
        raised for this input.
        """
        self.admit(deadline)
        turn = current_turn()
        waiting = _Waiting(inputs, deadline, asyncio.get_running_loop().create_future())
        if self._queued >= self.policy.queue_size:
            self._make_place()
        self._queues.setdefault(priority, FairQueue()).push(turn, waiting)
        self._queued += 1
        with self._prompt.shares.in_work(turn.who) if self._prompt else nullcontext():
            self._dispatch()
            return await waiting.result

    def admit(self, deadline: float | None, ahead: int = 0) -> None:
        """Raise what `submit` would raise after `ahead` further inputs."""
        waiting, own, callers = self._queued + self._preparing.total() + ahead, 0, 1
        if waiting:
            own, callers = self._share()
        # Others' inputs do not all come first: callers take turns.
        before = waiting if callers == 1 else min(waiting, (own + 1) * callers)
        wait_s = (before + self._running) * self._input_s / self.policy.runners
        if waiting >= self.policy.queue_size and (callers == 1 or own >= self.policy.queue_size // callers):
            raise self._full(wait_s)
        if deadline is None:
            return
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline passed before the model could start")
        if waiting and wait_s + self._input_s > left_s * _DEADLINE_SHARE:
            message = f"the wait would be {wait_s:.3f} s, and the deadline is in {left_s:.3f} s"
            raise ResourceExhausted("QUEUE_FULL", message, spread_s(max(wait_s, _SHORTEST_RETRY_S)))

    @contextmanager
    def preparing(self, deadline: float | None) -> Iterator[None]:
        """Reserve a place in the queue for an input while it is decoded, so that no decoded picture is refused.

        Raises like `submit`.
        """
        self.admit(deadline)
        who = current_turn().who
        self._preparing[who] += 1
        try:
            yield
        finally:
            self._preparing[who] -= 1
            if not self._preparing[who]:
                del self._preparing[who]

    def _share(self) -> tuple[int, int]:
        """How many inputs the current caller has here, and how many callers have any, with this one."""
        who = current_turn().who
        own = self._preparing[who] + sum(queue.size_of(who) for queue in self._queues.values())
        callers = {who, *self._preparing}.union(*(queue.callers for queue in self._queues.values()))
        return own, len(callers)

    def _make_place(self) -> None:
        """Refuse the newest input of the caller who has most, of the lowest priority."""
        lowest = min(priority for priority, queue in self._queues.items() if queue)
        dropped = self._queues[lowest].drop_newest_of_largest()
        self._queued -= 1
        dropped.answer = self._full(self._queued * self._input_s / self.policy.runners)
        dropped.settle()

    def _full(self, wait_s: float) -> ResourceExhausted:
        facts = {"queue_size": self.policy.queue_size}
        return ResourceExhausted("QUEUE_FULL", "the queue is full", spread_s(max(wait_s, _SHORTEST_RETRY_S)), facts)

    async def close(self) -> None:
        """Wait until every input in the queue is answered."""
        self._closing = True
        self._dispatch()
        while self._queued or self._running or self._prompt_running:
            self._finished.clear()
            await self._finished.wait()

    def _dispatch(self) -> None:
        if self._prompt is not None and self._queued:
            self._hurry(self._prompt)
        while self._running < self.policy.runners + self.policy.ready and self._queued:
            if self._may_gather():
                return
            batch = self._take(self.policy.max_batch_size)
            if not batch:
                return
            self._running += 1
            alone = self._running == 1 and not self._queued
            self._executor.submit(self._work, asyncio.get_running_loop(), batch, alone, False)

    def _hurry(self, prompt: PromptThreads) -> None:
        """Start an input of each caller who need not wait for the flood of another one."""
        while batch := self._take(1, prompt.may_start):
            self._prompt_running += 1
            alone = not prompt.running
            prompt.submit(self._work, asyncio.get_running_loop(), batch, alone, True)

    def _may_gather(self) -> bool:
        delay_s = self.policy.max_queue_delay_s
        if delay_s <= 0 or self._closing or self._queued >= self.policy.max_batch_size:
            return False
        oldest = min(head.since for queue in self._queues.values() for head in queue.heads)
        remaining_s = oldest + delay_s - time.monotonic()
        if remaining_s <= 0:
            return False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(remaining_s, self._wake)
        return True

    def _wake(self) -> None:
        self._timer = None
        self._dispatch()

    def _take(self, most: int, whose: Callable[[str], bool] = lambda _: True) -> list[_Waiting]:
        """Take the next inputs of one shape, and drop those whose callers gave up; the others keep their places."""
        batch: list[_Waiting] = []
        for priority in sorted(self._queues, reverse=True):
            queue = self._queues[priority]
            while len(batch) < most:
                waiting = queue.pop(lambda one: not batch or _alike(one.inputs, batch[0].inputs), whose)
                if waiting is None:
                    break
                self._queued -= 1
                if waiting.expired:
                    waiting.settle()
                elif not waiting.abandoned:
                    batch.append(waiting)
            if not queue:
                del self._queues[priority]
        return batch

    def _work(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], alone: bool, is_prompt: bool) -> None:
        """Run a batch in a thread, and pass the results back to the event loop."""
        try:
            self._run_batch(batch, alone)
        finally:
            loop.call_soon_threadsafe(self._finish, batch, is_prompt)

    def _run_batch(self, batch: list[_Waiting], alone: bool) -> None:
        """Answer each input whose caller still waits."""
        batch = [waiting for waiting in batch if not (waiting.abandoned or waiting.expired)]
        if not batch:
            return
        started = time.monotonic()
        try:
            outputs = self._run_stacked(batch, alone)
        except Exception as error:
            # One bad input must not fail its neighbours: after a failure, each input runs by itself.
            if len(batch) == 1:
                batch[0].answer = error
                return
            for waiting in batch:
                self._run_batch([waiting], alone)
            return
        infer_s = time.monotonic() - started
        for row, waiting in enumerate(batch):
            timing = Timing(started - waiting.since, infer_s, len(batch))
            waiting.answer = {name: values[row] for name, values in outputs.items()}, timing

    def _run_stacked(self, batch: Sequence[_Waiting], alone: bool) -> Outputs:
        inputs = batch[0].inputs[None] if len(batch) == 1 else np.stack([waiting.inputs for waiting in batch])
        outputs = self._run(inputs, alone)
        for name, values in outputs.items():
            if len(values) != len(batch):
                raise ValueError(f"the output {name} has {len(values)} rows for a batch of {len(batch)}")
        return outputs

    def _finish(self, batch: list[_Waiting], is_prompt: bool) -> None:
        if is_prompt and self._prompt is not None:
            self._prompt_running -= 1
            self._prompt.end()
        else:
            self._running -= 1
        for waiting in batch:
            waiting.settle()
        ran = next((waiting.answer[1] for waiting in batch if isinstance(waiting.answer, tuple)), None)
        if ran is not None:
            self._learn(ran.infer_s / ran.batch_size)
        self._dispatch()
        self._finished.set()

    def _learn(self, input_s: float) -> None:
        self._input_s = input_s if self._input_s == 0 else (1 - _SMOOTHING) * self._input_s + _SMOOTHING * input_s


def _alike(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype
