"""Counts calls of one loaded model and their durations, as the Open Inference Protocol reports them."""

import time
from dataclasses import dataclass, field

from convoy.core.models.batching import Timing


@dataclass
class Duration:
    """How often something happened, and how many seconds it took in total."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one more, which took so long."""
        self.count += 1
        self.seconds += seconds


@dataclass
class Statistics:
    """Counts since the model was loaded. Only the event loop writes them."""

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    infer: Duration = field(default_factory=Duration)
    batches: float = 0.0
    last_inference_ms: int = 0

    def succeed(self, timing: Timing) -> None:
        """Count one answered input; each input of a batch counts its share of the batch."""
        self.success.add(timing.queue_s + timing.infer_s)
        self.queue.add(timing.queue_s)
        self.infer.add(timing.infer_s)
        self.batches += 1 / timing.batch_size
        self.last_inference_ms = time.time_ns() // 1_000_000
