"""Counts requests of one loaded model and their durations, as the Open Inference Protocol reports them."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from convoy.core.models.batching import Timing


@dataclass
class Duration:
    """How often something happened, and how many seconds it took in total."""

    count: int = 0
    seconds: float = 0.0

    @property
    def mean_s(self) -> float:
        """Seconds of one; 0 if there was none."""
        return self.seconds / self.count if self.count else 0.0

    def add(self, seconds: float) -> None:
        """Count one more, which took so long."""
        self.count += 1
        self.seconds += seconds


@dataclass
class Stages:
    """How long the stages took, each counted once.

    prepare: from what the caller sent to the graph's input; queue: the wait for the engine; infer: the engine;
    finish: from the graph's outputs to the answer.
    """

    prepare: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    infer: Duration = field(default_factory=Duration)
    finish: Duration = field(default_factory=Duration)

    def ran(self, timing: Timing) -> None:
        """Count one input that the engine answered."""
        self.queue.add(timing.queue_s)
        self.infer.add(timing.infer_s)

    def add_mean(self, inputs: "Stages") -> None:
        """Count one request. The inputs of a request run side by side, so their mean counts and not their sum."""
        self.prepare.add(inputs.prepare.mean_s)
        self.queue.add(inputs.queue.mean_s)
        self.infer.add(inputs.infer.mean_s)
        self.finish.add(inputs.finish.mean_s)


@dataclass
class Statistics:
    """Counts since the model was loaded. Only the event loop writes them.

    success, fail and stages count requests; inputs and batches count pictures and runs of the engine.
    Source: Triton's statistics extension.
    """

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    stages: Stages = field(default_factory=Stages)
    inputs: int = 0
    batches: float = 0.0
    last_inference_ms: int = 0

    @contextmanager
    def request(self) -> Iterator[Stages]:
        """Count one request, from here to the end; into what this yields go the stages of its inputs.

        A request of which nothing ran, such as faces of a picture without any, is not counted.
        """
        started, stages = time.perf_counter(), Stages()
        try:
            yield stages
        except (Exception, asyncio.CancelledError):
            self.fail.add(time.perf_counter() - started)
            raise
        if stages.infer.count:
            self.success.add(time.perf_counter() - started)
            self.stages.add_mean(stages)

    def ran(self, timing: Timing) -> None:
        """Count one input that the engine answered; each input of a batch counts its share of the batch."""
        self.inputs += 1
        self.batches += 1 / timing.batch_size
        self.last_inference_ms = time.time_ns() // 1_000_000
