"""A version in memory: verified, loaded, warmed up, ready to answer."""

from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convoy.core.errors import FailedPrecondition
from convoy.core.machine import give_back_memory
from convoy.core.manifest import GRAPH_FILE, InputSpec, Manifest, Task, load_manifest
from convoy.core.models.batching import Batcher, BatchPolicy
from convoy.core.models.engine import Engine
from convoy.core.models.outputs import output_problem
from convoy.core.models.shares import PromptThreads
from convoy.core.models.statistics import Statistics

_WARM_UP_SIDE = 320
_PROBE = 2
GREY = 114


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A version that answers."""

    manifest: Manifest
    engine: Engine
    batcher: Batcher
    statistics: Statistics = field(default_factory=Statistics)


@dataclass(frozen=True)
class Loading:
    """How to load models into memory."""

    device: str = "auto"
    threads: int = 1
    policy: Callable[[InputSpec, bool], BatchPolicy] = field(default=lambda spec, on_gpu: BatchPolicy())
    """Chooses how a model's requests gather, by its input and by whether its engine is on a GPU."""
    prompt: PromptThreads | None = None
    """Runs inputs of callers who ask for little beside a flood of others."""


def load_model(folder: Path, tasks: Collection[Task], loading: Loading, executor: Executor) -> LoadedModel:
    """Verify a version folder, load its graph and run it once; its requests will run in `executor`.

    Takes seconds, so call it in a thread. Raises FailedPrecondition(BAD_MODEL, WRONG_TASK, DEVICE_UNAVAILABLE).
    """
    manifest = load_manifest(folder)
    if manifest.task not in tasks:
        raise wrong_task(manifest.name, manifest.task, tasks)
    engine = Engine(folder / GRAPH_FILE, loading.device, loading.threads)
    engine.check(manifest.task, manifest.channels, manifest.outputs)
    policy = loading.policy(manifest.input, engine.on_gpu)
    _warm_up(engine, manifest, (1, policy.max_batch_size))
    give_back_memory()
    return LoadedModel(manifest, engine, Batcher(engine.run, policy, executor, loading.prompt))


def verify_model(folder: Path) -> Manifest:
    """Do everything that a service does before it takes a version, on the CPU, and forget the graph again.

    Raises FailedPrecondition(BAD_MODEL).
    """
    manifest = load_manifest(folder)
    engine = Engine(folder / GRAPH_FILE, "cpu", quiet=True)
    engine.check(manifest.task, manifest.channels, manifest.outputs)
    _warm_up(engine, manifest, ())
    return manifest


def wrong_task(name: str, task: Task, tasks: Collection[Task]) -> FailedPrecondition:
    """Make the error for a model whose task belongs to another service."""
    served = ", ".join(sorted(tasks))
    return FailedPrecondition("WRONG_TASK", f"the model '{name}' does {task}; this service does {served}")


def _warm_up(engine: Engine, manifest: Manifest, batches: Collection[int]) -> None:
    """Run grey pictures and check the outputs, then batches of these sizes. Raises FailedPrecondition(BAD_MODEL)."""
    spec = manifest.input
    around = 2 * manifest.picture.overlap if manifest.picture else 0
    side = -(-min(spec.long_side or _WARM_UP_SIDE, _WARM_UP_SIDE + around) // spec.stride) * spec.stride
    size_hw = (spec.height or side, spec.width or side)
    shape = (*size_hw, manifest.channels)
    try:
        outputs = engine.run(np.full((_PROBE, *shape), GREY, np.uint8))
        problem = output_problem(manifest, outputs, _PROBE, size_hw)
        if not problem:
            engine.warm_up(shape, sorted(set(batches)))
    except Exception as error:  # onnxruntime raises bare exceptions of its own hierarchy
        problem = f"warm-up failed: {error}"
    if problem:
        raise FailedPrecondition("BAD_MODEL", f"{manifest.name}/{manifest.version}: {problem}")
