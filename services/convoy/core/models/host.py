"""The models that one process serves, and what decides how they run: cores, device, default model."""

import asyncio
import os
import sys
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import structlog

from convoy.core.api import split_model
from convoy.core.errors import ConvoyError, FailedPrecondition, NotFound
from convoy.core.machine import available_cores
from convoy.core.manifest import InputSpec, Task
from convoy.core.models.batching import BatchPolicy
from convoy.core.models.budget import PixelBudget
from convoy.core.models.pipeline import Pipeline
from convoy.core.models.repository import LoadedModel, Loading, Repository
from convoy.core.pictures.decoding import Limits
from convoy.core.settings import Settings

log = structlog.get_logger()
# On a CPU a batch saves time while its weights cost more than its pixels, and past that only takes memory.
_BATCH_ON_CPU = 4
_BATCHED_PIXELS_ON_CPU = 128 * 128
_BATCH_ON_GPU = 32
# How much less than the event loop's the turn of a thread that computes is worth: who is refused must not wait for it.
_NICENESS = 5


class ModelHost:
    """Loads models, keeps them fresh, and names the default one.

    default: name or name:version of the model that answers when a request names none; the process does not start
    without it. required: further ones that it does not start without.
    """

    def __init__(
        self, settings: Settings, tasks: Collection[Task], default: str, required: Collection[str] = ()
    ) -> None:
        cores = settings.threads or available_cores()
        self.settings = settings
        self.default = default
        self.limits = Limits(settings.max_image_mb * 2**20, settings.max_image_pixels)
        # Decoding has threads of its own, so that it goes on while all runners are inside the engine.
        self._workers = ThreadPoolExecutor(cores, "decode", _give_way)
        self._runners = ThreadPoolExecutor(cores, "engine", _give_way)
        # Two of the largest pictures, so that one caller's do not hold up everybody's.
        self.pipeline = Pipeline(self._workers, PixelBudget(2 * settings.max_image_pixels))
        # Apart from pictures: a pixel in a graph takes a hundred times the memory of one that is only decoded.
        self.tensor_pixels = PixelBudget(2 * settings.max_tensor_pixels)
        loading = Loading(settings.device, cores, lambda spec, on_gpu: _policy(settings, cores, spec, on_gpu))
        self._tasks, self._required = tasks, (default, *required)
        pinned = {name for name, version in map(split_model, self._required) if version}
        self.repository = Repository(settings.models, tasks, loading, self._runners, pinned)
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load everything; raises what is wrong with a model that the service cannot do without."""
        if not self.settings.models.is_dir():
            raise FailedPrecondition(
                "NO_REPOSITORY", f"there is no model repository at {self.settings.models.absolute()}"
            )
        for wanted in self._required:
            try:
                await self.repository.load(*split_model(wanted))
            except NotFound as error:
                raise NotFound(error.reason, error.message, error.metadata, hint=self._advise(wanted)) from None
        await self.repository.refresh()
        if self.settings.model_poll_s > 0:
            self._watcher = asyncio.create_task(self._watch())

    def _advise(self, wanted: str) -> str:
        """What could answer in the place of a model that is not there, and the setting that says so."""
        names = sorted({entry.name for entry in self.repository.entries() if entry.manifest})
        if not names:
            return "no model there is for this service"
        faces = "CONVOY_FACE_EMBEDDER" if wanted == self.default else "CONVOY_FACE_DETECTOR"
        setting = "CONVOY_MODEL" if Task.FACE_EMBEDDING not in self._tasks else faces
        return f"for this service there are: {', '.join(names)}; choose by {setting}=NAME"

    async def stop(self) -> None:
        """Let go of everything once what is in flight is answered."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self.repository.close()
        self._workers.shutdown()
        self._runners.shutdown()

    def model(self, name: str, version: str, task: Task | Collection[Task]) -> LoadedModel:
        """The model that a request names, or the default. Raises NotFound, FailedPrecondition(WRONG_TASK)."""
        model = self.repository.get(name, version) if name else self.named(self.default)
        tasks = (task,) if isinstance(task, Task) else task
        if model.manifest.task not in tasks:
            message = f"the model {model.manifest.name} does {model.manifest.task}, not {' or '.join(tasks)}"
            raise FailedPrecondition("WRONG_TASK", message)
        return model

    def named(self, name_and_version: str) -> LoadedModel:
        """A model by name or name:version."""
        return self.repository.get(*split_model(name_and_version))

    def is_pinned(self, name: str, version: str) -> bool:
        """Whether the service cannot do without this version."""
        return any(split_model(wanted) in ((name, ""), (name, version)) for wanted in self._required)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.model_poll_s)
            try:
                await self.repository.refresh()
            except (ConvoyError, OSError) as error:
                log.error("the model repository cannot be read", problem=str(error))


def _give_way() -> None:
    """Let the event loop go first, on systems that know priorities of single threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _policy(settings: Settings, cores: int, spec: InputSpec, on_gpu: bool) -> BatchPolicy:
    size = settings.max_batch_size or (_BATCH_ON_GPU if on_gpu else _batch_on_cpu(spec))
    # A GPU runs one batch at a time, a CPU one a core; one more is handed over to begin the moment that another ends.
    runners = 1 if on_gpu else cores
    return BatchPolicy(size, settings.max_queue_delay_s, settings.queue_size, runners, ready=1)


def _batch_on_cpu(spec: InputSpec) -> int:
    is_small = spec.height is not None and spec.width is not None and spec.height * spec.width <= _BATCHED_PIXELS_ON_CPU
    return _BATCH_ON_CPU if is_small else 1
