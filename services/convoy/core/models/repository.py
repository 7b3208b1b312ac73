"""The model repository: exported_models/<name>/<version>/ on disk, and what of it is in memory."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog

from convoy.core.errors import ConvoyError, FailedPrecondition, NotFound
from convoy.core.machine import give_back_memory
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, InputSpec, Manifest, Task, load_manifest
from convoy.core.models.batching import Batcher, BatchPolicy
from convoy.core.models.engine import Engine
from convoy.core.models.outputs import output_problem
from convoy.core.models.statistics import Statistics
from convoy.core.telemetry import MODEL_READY, QUEUE_DEPTH

log = structlog.get_logger()
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
class Entry:
    """A version on disk: loaded, refused (then `problem` says why), or just there."""

    name: str
    version: str
    manifest: Manifest | None
    loaded: LoadedModel | None
    problem: str = ""


@dataclass(frozen=True)
class Loading:
    """How models are brought into memory."""

    device: str = "auto"
    threads: int = 1
    policy: Callable[[InputSpec, bool], BatchPolicy] = field(default=lambda spec, on_gpu: BatchPolicy())
    """Given a model's input and whether the engine is on a GPU, how its requests gather."""


class Repository:
    """The models of some tasks in one folder.

    The newest version of every model answers by default. A new folder is loaded and warmed before it takes over, so no
    request is lost; a folder that breaks the contract is refused and the old version stays.
    """

    def __init__(
        self, folder: Path, tasks: Collection[Task], loading: Loading, executor: Executor, pinned: Collection[str] = ()
    ) -> None:
        """pinned: names of models whose version is chosen for good; refresh leaves them alone."""
        self._folder = folder
        self._pinned = frozenset(pinned)
        self._tasks = frozenset(tasks)
        self._loading = loading
        self._executor = executor
        self._loaded: dict[tuple[str, str], LoadedModel] = {}
        self._problems: dict[tuple[str, str], tuple[float, str]] = {}
        self._unloaded: set[tuple[str, str]] = set()
        # What other services do, by name of the model, as of the last refresh.
        self._elsewhere: dict[str, Task] = {}
        self._lock = asyncio.Lock()

    def get(self, name: str, version: str = "") -> LoadedModel:
        """A loaded model, the newest version if none is named.

        Raises NotFound(MODEL_NOT_FOUND), FailedPrecondition(WRONG_TASK) for one that another service has.
        """
        versions = self._versions_loaded(name)
        if not versions and name in self._elsewhere:
            raise self._wrong_task(name, self._elsewhere[name])
        if not versions:
            known = ", ".join(sorted({n for n, _ in self._loaded})) or "none"
            raise NotFound("MODEL_NOT_FOUND", f"no model named '{name}' is loaded; loaded are: {known}")
        chosen = version or versions[-1]
        if chosen not in versions:
            message = f"version {chosen} of '{name}' is not loaded; loaded are: {', '.join(versions)}"
            raise NotFound("MODEL_NOT_FOUND", message)
        return self._loaded[name, chosen]

    def loaded(self) -> Collection[LoadedModel]:
        """Every model that answers."""
        return self._loaded.values()

    def entries(self) -> list[Entry]:
        """Every version of this repository's tasks, on disk or in memory, by name and version."""
        found = dict.fromkeys(self._on_disk()) | dict.fromkeys(self._loaded)
        entries = [self._entry(name, version) for name, version in sorted(found, key=_by_version)]
        return [entry for entry in entries if entry.manifest is None or entry.manifest.task in self._tasks]

    async def load(self, name: str, version: str = "") -> LoadedModel:
        """Load a version, the newest on disk if none is named, and let it answer.

        Raises NotFound(MODEL_NOT_FOUND), FailedPrecondition(BAD_MODEL, WRONG_TASK, DEVICE_UNAVAILABLE).
        """
        version = version or self._newest_on_disk(name)
        # Looked up, not joined: "../other" and "1/." would name folders too.
        if (name, version) not in self._on_disk():
            raise NotFound("MODEL_NOT_FOUND", f"there is no model {name}/{version} in the repository")
        async with self._lock:
            return await self._load(name, version)

    async def unload(self, name: str, version: str = "") -> None:
        """Take a version, or all of them, out of memory once what is inside it is answered. Raises NotFound."""
        versions = [version] if version else self._versions_loaded(name)
        if not versions or any((name, v) not in self._loaded for v in versions):
            raise NotFound("MODEL_NOT_FOUND", f"the model {name}{'/' + version if version else ''} is not loaded")
        async with self._lock:
            for key in [(name, v) for v in versions]:
                self._unloaded.add(key)
                await self._drop(key)

    async def refresh(self) -> None:
        """Load the newest version of every model that is not loaded yet; what is broken is refused and logged once."""
        async with self._lock:
            names = {name for name, _ in self._on_disk()}
            for gone in self._elsewhere.keys() - names:
                del self._elsewhere[gone]
            for name in sorted(names - self._pinned):
                await self._refresh_model(name)

    async def close(self) -> None:
        """Wait for what is inside every model, then let go of all."""
        async with self._lock:
            for key in list(self._loaded):
                await self._drop(key)

    async def _refresh_model(self, name: str) -> None:
        version = self._newest_on_disk(name)
        key = (name, version)
        if key in self._loaded or key in self._unloaded or self._is_known_bad(key):
            return
        manifest = self._peek(name, version)
        if manifest is not None and manifest.task not in self._tasks:
            self._elsewhere[name] = manifest.task
            return
        self._elsewhere.pop(name, None)
        newest_so_far = self._versions_loaded(name)[-1:]
        try:
            await self._load(name, version)
        except ConvoyError as error:
            log.error("model refused", model=name, version=version, problem=str(error))
            return
        for outdated in newest_so_far:
            await self._drop((name, outdated))

    async def _load(self, name: str, version: str) -> LoadedModel:
        key = (name, version)
        if key in self._loaded:
            return self._loaded[key]
        loop = asyncio.get_running_loop()
        changed = self._changed(key)
        try:
            model = await loop.run_in_executor(self._executor, self._open, self._folder / name / version)
        except ConvoyError as error:
            self._problems[key] = (changed, str(error))
            raise
        self._loaded[key] = model
        self._problems.pop(key, None)
        self._unloaded.discard(key)
        MODEL_READY.labels(name, version).set(1)
        QUEUE_DEPTH.labels(name, version).set_function(lambda: model.batcher.queue_depth)
        log.info("model loaded", model=name, version=version, provider=model.engine.provider)
        return model

    def _open(self, folder: Path) -> LoadedModel:
        manifest = load_manifest(folder)
        if manifest.task not in self._tasks:
            raise self._wrong_task(manifest.name, manifest.task)
        engine = Engine(folder / GRAPH_FILE, self._loading.device, self._loading.threads)
        engine.check(manifest.task)
        policy = self._loading.policy(manifest.input, engine.on_gpu)
        _warm_up(engine, manifest, policy)
        give_back_memory()
        return LoadedModel(manifest, engine, Batcher(engine.run, policy, self._executor))

    def _wrong_task(self, name: str, task: Task) -> FailedPrecondition:
        served = ", ".join(sorted(self._tasks))
        return FailedPrecondition("WRONG_TASK", f"the model '{name}' does {task}; this service does {served}")

    async def _drop(self, key: tuple[str, str]) -> None:
        model = self._loaded.pop(key)
        await model.batcher.close()
        MODEL_READY.labels(*key).set(0)
        QUEUE_DEPTH.remove(*key)
        log.info("model unloaded", model=key[0], version=key[1])

    def _entry(self, name: str, version: str) -> Entry:
        loaded = self._loaded.get((name, version))
        problem = "" if loaded else self._problems.get((name, version), (0.0, ""))[1]
        manifest = loaded.manifest if loaded else self._peek(name, version)
        return Entry(name, version, manifest, loaded, problem)

    def _peek(self, name: str, version: str) -> Manifest | None:
        try:
            return Manifest.model_validate_json((self._folder / name / version / MANIFEST_FILE).read_bytes())
        except (OSError, ValueError):
            return None

    def _is_known_bad(self, key: tuple[str, str]) -> bool:
        return key in self._problems and self._problems[key][0] == self._changed(key)

    def _changed(self, key: tuple[str, str]) -> float:
        """When the folder's files changed last: a refused version is tried again once it is mended."""
        files = (self._folder / key[0] / key[1] / file for file in (GRAPH_FILE, MANIFEST_FILE))
        return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)

    def _on_disk(self) -> list[tuple[str, str]]:
        manifests = self._folder.glob(f"*/*/{MANIFEST_FILE}")
        return [(path.parent.parent.name, path.parent.name) for path in manifests if path.parent.name.isdecimal()]

    def _newest_on_disk(self, name: str) -> str:
        versions = [int(version) for found, version in self._on_disk() if found == name]
        if not versions:
            raise NotFound("MODEL_NOT_FOUND", f"there is no model named '{name}' in the repository {self._folder}")
        return str(max(versions))

    def _versions_loaded(self, name: str) -> list[str]:
        return sorted((version for found, version in self._loaded if found == name), key=int)


def _warm_up(engine: Engine, manifest: Manifest, policy: BatchPolicy) -> None:
    """Run grey pictures, and look at what comes out. Raises FailedPrecondition(BAD_MODEL)."""
    spec = manifest.input
    side = -(-min(spec.long_side or _WARM_UP_SIDE, _WARM_UP_SIDE) // spec.stride) * spec.stride
    size_hw = (spec.height or side, spec.width or side)
    try:
        outputs = engine.run(np.full((_PROBE, *size_hw, 3), GREY, np.uint8))
        problem = output_problem(manifest, outputs, _PROBE, size_hw)
        if not problem:
            engine.warm_up(size_hw, sorted({1, policy.max_batch_size}))
    except Exception as error:  # onnxruntime raises bare exceptions of its own hierarchy
        problem = f"warm-up failed: {error}"
    if problem:
        raise FailedPrecondition("BAD_MODEL", f"{manifest.name}/{manifest.version}: {problem}")


def _by_version(key: tuple[str, str]) -> tuple[str, int]:
    return key[0], int(key[1])
