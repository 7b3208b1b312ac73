"""Sets up the models of one process: device, cores, threads, limits, and the default model."""

import asyncio
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from convoy.core.api import split_model, split_models
from convoy.core.errors import ConvoyError, FailedPrecondition, NotFound
from convoy.core.machine import available_cores, give_way
from convoy.core.manifest import InputSpec, Task
from convoy.core.models.batching import BatchPolicy
from convoy.core.models.budget import PixelBudget
from convoy.core.models.fair_threads import FairThreads
from convoy.core.models.loaded_model import LoadedModel, Loading
from convoy.core.models.pipeline import Pipeline
from convoy.core.models.repository import Repository
from convoy.core.models.shares import PromptThreads, Shares
from convoy.core.pictures.decoding import Limits
from convoy.core.settings import Settings

log = structlog.get_logger()
# On a CPU, a batch of small pictures saves time, since reading the weights costs most. A batch of large pictures only
# costs memory.
_BATCH_ON_CPU = 4
_BATCHED_PIXELS_ON_CPU = 128 * 128
_BATCH_ON_GPU = 32


class ModelHost:
    """Loads models, keeps them fresh, and names the default one.

    chosen: each setting that chooses models -> these models, as name or name:version, separated by commas. The process
    does not start without them. The first one answers when a request names none. may_lack: it starts without them all
    the same, and calls must name a model.
    """

    def __init__(
        self, settings: Settings, tasks: Collection[Task], chosen: Mapping[str, str], may_lack: bool = False
    ) -> None:
        cores = settings.threads or available_cores()
        self.settings = settings
        self._may_lack = may_lack
        self._chosen = [(setting, wanted) for setting, names in chosen.items() for wanted in split_models(names)]
        self.default = self._chosen[0][1]
        self.limits = Limits(settings.max_image_mb * 2**20, settings.max_image_pixels)
        # Decoding has its own threads, so that it goes on while all runners are busy.
        shares = Shares(cores)
        self._workers = ThreadPoolExecutor(cores, "decode", give_way)
        self._prompt_workers = PromptThreads(cores, "decode", shares)
        self._runners = ThreadPoolExecutor(cores, "engine", give_way)
        self._prompt_runners = PromptThreads(cores, "engine", shares)
        threads = FairThreads(self._workers, cores, self._prompt_workers)
        # Room for two of the largest pictures, so that one caller cannot block all others.
        self.pixels = PixelBudget(2 * settings.max_image_pixels)
        self.pipeline = Pipeline(threads, self.pixels)
        # A separate budget: a pixel inside a graph takes a hundred times the memory of a decoded one.
        self.tensor_pixels = PixelBudget(2 * settings.max_tensor_pixels)
        loading = Loading(
            settings.device, cores, lambda spec, on_gpu: _policy(settings, cores, spec, on_gpu), self._prompt_runners
        )
        self.repository = Repository(
            settings.repositories,
            tasks,
            loading,
            self._runners,
            [wanted for _, wanted in self._chosen],
            settings.models_loaded,
        )
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the models that the service needs; raises what is wrong with one of them.

        A call loads each other model when it first asks for it.
        """
        folders = self.settings.repositories
        if not any(folder.is_dir() for folder in folders):
            where = " or ".join(str(folder.absolute()) for folder in folders)
            raise FailedPrecondition("NO_REPOSITORY", f"there is no model repository at {where}")
        await self.repository.look()
        # Pinned versions first, since another setting may name such a model without one.
        for setting, wanted in sorted(self._chosen, key=lambda one: ":" not in one[1]):
            name, version = split_model(wanted)
            try:
                await (self.repository.load(name, version) if version else self.repository.obtain(name))
            except NotFound as error:
                if self._may_lack:
                    log.warning("there is no default model; calls must name one", model=wanted, setting=setting)
                    continue
                raise NotFound(error.reason, error.message, error.metadata, hint=await self._advise(setting)) from None
        if self.settings.model_poll_s > 0:
            self._watcher = asyncio.create_task(self._watch())

    async def _advise(self, setting: str) -> str:
        """Say which models could replace a missing one, and which setting chooses one."""
        names = sorted({entry.name for entry in await self.repository.entries() if entry.manifest})
        if not names:
            return "it has no model for this service"
        return f"this service can use: {', '.join(names)}; choose one by {setting}=NAME"

    async def stop(self) -> None:
        """Release everything once all calls are answered."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self.repository.close()
        for pool in (self._workers, self._prompt_workers, self._runners, self._prompt_runners):
            pool.shutdown()

    async def model(self, name: str, version: str, task: Task | Collection[Task]) -> LoadedModel:
        """Get the model that a request names, or the default; the first call for a model waits until it is loaded.

        Raises NotFound, FailedPrecondition(WRONG_TASK, BAD_MODEL).
        """
        model = await (self.repository.obtain(name, version) if name else self._obtain_default())
        return _of_task(model, task)

    async def _obtain_default(self) -> LoadedModel:
        if not self._may_lack:
            return self.named(self.default)
        try:
            return await self.repository.obtain(*split_model(self.default))
        except NotFound as error:
            raise NotFound(error.reason, error.message, error.metadata, hint="name a model in the request") from None

    async def version(self, name: str, version: str, sha256: str, task: Task | Collection[Task]) -> LoadedModel:
        """Get one version of a model, by number or digest, an older one too; see Repository.obtain_version.

        Raises NotFound, FailedPrecondition(WRONG_TASK, BAD_MODEL).
        """
        return _of_task(await self.repository.obtain_version(name, version, sha256), task)

    def in_use(self, name_and_version: str, task: Task) -> LoadedModel:
        """Get a model without which the process does not start. Raises FailedPrecondition(WRONG_TASK)."""
        return _of_task(self.named(name_and_version), task)

    def named(self, name_and_version: str) -> LoadedModel:
        """Get a model in memory, by name or name:version. Raises NotFound."""
        return self.repository.get(*split_model(name_and_version))

    def is_pinned(self, name: str, version: str) -> bool:
        """Whether the service needs this version."""
        return any(split_model(wanted) in ((name, ""), (name, version)) for _, wanted in self._chosen)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.model_poll_s)
            try:
                await self.repository.refresh()
            except (ConvoyError, OSError) as error:
                log.error("the model repository cannot be read", problem=str(error))


def _of_task(model: LoadedModel, task: Task | Collection[Task]) -> LoadedModel:
    tasks = (task,) if isinstance(task, Task) else task
    if model.manifest.task not in tasks:
        message = f"the model {model.manifest.name} does {model.manifest.task}, not {' or '.join(tasks)}"
        raise FailedPrecondition("WRONG_TASK", message)
    return model


def _policy(settings: Settings, cores: int, spec: InputSpec, on_gpu: bool) -> BatchPolicy:
    size = settings.max_batch_size or (_BATCH_ON_GPU if on_gpu else _batch_on_cpu(spec))
    # A GPU runs one batch at a time, a CPU one on each core. One more is ready, to start the moment another ends.
    runners = 1 if on_gpu else cores
    return BatchPolicy(size, settings.max_queue_delay_s, settings.queue_size, runners, ready=1)


def _batch_on_cpu(spec: InputSpec) -> int:
    is_small = spec.height is not None and spec.width is not None and spec.height * spec.width <= _BATCHED_PIXELS_ON_CPU
    return _BATCH_ON_CPU if is_small else 1
