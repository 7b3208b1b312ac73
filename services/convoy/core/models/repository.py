"""The models of a service: which versions exist, and which of them are in memory.

- The newest good version of a model answers. The service refuses a version that breaks the contract, and the one before
  it answers.
- The service loads its default models at its start, and each other model when a call first asks for it.
- A call may ask for one version, an older one too; it is loaded beside the one that answers by default.
- If a loaded model gets a new version, or its version changes in place, the service loads and checks the new files
  before they take over.
"""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from convoy.core.api import split_model
from convoy.core.errors import ConvoyError, NotFound
from convoy.core.machine import give_way
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest, Task, load_manifest
from convoy.core.models.loaded_model import LoadedModel, Loading, load_model, wrong_task
from convoy.core.models.version_folders import FileState, Key, VersionFolder, VersionFolders
from convoy.core.telemetry import MODEL_READY, QUEUE_DEPTH

log = structlog.get_logger()
_CHECKED_BY_DIGEST = {GRAPH_FILE, MANIFEST_FILE}


@dataclass(frozen=True)
class Entry:
    """A version: loaded, refused (then `problem` says why), or only on disk."""

    name: str
    version: str
    manifest: Manifest | None
    loaded: LoadedModel | None
    problem: str = ""


@dataclass(frozen=True)
class _Held:
    """A version in memory, and the files from which it was loaded."""

    model: LoadedModel
    files: frozenset[FileState]


@dataclass(frozen=True)
class _Refused:
    """Why a version was refused, and the state of its files at that time."""

    error: ConvoyError
    files: frozenset[FileState]
    is_settled: bool


class Repository:
    """The models of some tasks in one or several folders. If two folders have the same model, the first one wins."""

    def __init__(
        self,
        folders: Path | Sequence[Path],
        tasks: Collection[Task],
        loading: Loading,
        executor: Executor,
        required: Collection[str] = (),
        most: int | None = None,
    ) -> None:
        """executor: runs the graphs.

        required: models that stay in memory, as name, or as name:version to stay at that version.
        most: how many models are in memory, including the required ones; if there are more, the repository unloads the
        one that has gone unused for longest.
        """
        self._folders = VersionFolders((folders,) if isinstance(folders, Path) else folders)
        self._required = frozenset(split_model(one)[0] for one in required)
        self._pinned = frozenset(name for name, version in map(split_model, required) if version)
        self._most = most
        self._tasks = frozenset(tasks)
        self._loading = loading
        self._executor = executor
        # One thread loads while another looks at the disk; neither takes a thread from the graphs that answer.
        self._loaders = ThreadPoolExecutor(2, "load", give_way)
        self._on_disk: dict[Key, VersionFolder] = {}
        self._held: dict[Key, _Held] = {}
        self._refused: dict[Key, _Refused] = {}
        self._unloaded: set[Key] = set()
        self._used: dict[Key, float] = {}
        # Versions that are in memory only since calls asked for them by number or digest.
        self._beside: set[Key] = set()
        # Loads for which calls wait; without a version for the one that answers by default.
        self._asked: dict[Key, asyncio.Task[LoadedModel]] = {}
        self._lock = asyncio.Lock()
        self._idle: frozenset[str] = frozenset()

    @property
    def idle(self) -> frozenset[str]:
        """Names of models that no call has asked for yet, and that are therefore not in memory."""
        return self._idle

    def get(self, name: str, version: str = "") -> LoadedModel:
        """Get a model in memory, by default its newest version. Raises NotFound, FailedPrecondition(WRONG_TASK)."""
        model = self._find(name, version)
        if model is None:
            raise self._missing(name, version)
        return model

    async def obtain(self, name: str, version: str = "") -> LoadedModel:
        """Get a model for a call. If no call has asked for it yet, load it first, once for all calls that wait.

        Raises NotFound(MODEL_NOT_FOUND), FailedPrecondition(WRONG_TASK) if it belongs to another service, and
        FailedPrecondition(BAD_MODEL, DEVICE_UNAVAILABLE) if no version of it can be loaded.
        """
        if (found := self._find(name, version)) is not None:
            return found
        if not self._may_load(name, version):
            raise self._missing(name, version)
        model = await self._once((name, ""), self._load_asked)
        return model if not version else self.get(name, version)

    async def obtain_version(self, name: str, version: str = "", sha256: str = "") -> LoadedModel:
        """Get one version of a model for a call, an older one too; the first call for it waits until it is loaded.

        sha256: the digest of its graph. If you give it, the version is only a preference among those that have it.
        Raises what `obtain` raises.
        """
        key = self._choose(name, version, sha256)
        if (found := self._find(*key)) is not None:
            return found
        if self._may_load(*key):
            newest = await self._once((name, ""), self._load_asked)
            if newest.manifest.version == key[1]:
                return newest
        return await self._once(key, self._load_beside)

    def answers(self, name: str, version: str = "") -> bool:
        """Whether `obtain` would return a model, as far as this is known without loading it."""
        held = (name, version or self._newest_held(name)) in self._held
        return held or (self._may_load(name, version) and not all(map(self._is_known_bad, self._candidates(name))))

    def loaded(self) -> Collection[LoadedModel]:
        """List every model in memory."""
        return [held.model for held in self._held.values()]

    async def look(self, thoroughly: bool = False) -> None:
        """Read again what is on disk. thoroughly: list every folder, whatever its state says. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._on_disk = await loop.run_in_executor(self._loaders, self._folders.look, thoroughly)
        self._refused = {key: refused for key, refused in self._refused.items() if key in self._on_disk}
        self._find_idle()

    async def entries(self) -> list[Entry]:
        """List every version for this repository's tasks, on disk or in memory, by name and version."""
        await self.look(thoroughly=True)
        on_disk = self._on_disk
        found = sorted(on_disk.keys() | self._held.keys(), key=lambda key: (key[0], int(key[1])))
        entries = [self._entry(key) for key in found]
        return [entry for entry in entries if entry.manifest is None or entry.manifest.task in self._tasks]

    async def load(self, name: str, version: str = "") -> LoadedModel:
        """Load a version, by default the newest on disk, and let it answer; reload it if its files changed.

        Raises NotFound(MODEL_NOT_FOUND), FailedPrecondition(BAD_MODEL, WRONG_TASK, DEVICE_UNAVAILABLE).
        """
        async with self._lock:
            await self.look(thoroughly=True)
            # Look the version up instead of joining paths: "../other" and "1/." would name folders too.
            versions = [folder for key, folder in self._on_disk.items() if key[0] == name and version in ("", key[1])]
            if not versions:
                raise self._missing(name, version)
            chosen = max(versions, key=lambda folder: int(folder.version))
            model = await self._load(chosen)
            self._beside.discard(chosen.key)
            self._find_idle()
            return model

    async def unload(self, name: str, version: str = "") -> None:
        """Unload a version, or all versions, after their calls are answered.

        They stay out of memory until somebody loads them by name. Raises NotFound(MODEL_NOT_FOUND) if none answers.
        """
        async with self._lock:
            keys = [key for key in self._held if key[0] == name and version in ("", key[1])]
            if not version or not keys:
                keys += [f.key for f in self._candidates(name) if version in ("", f.version) and f.key not in keys]
            if not any(key in self._held or key not in self._unloaded for key in keys):
                raise NotFound("MODEL_NOT_FOUND", f"the model {name}{'/' + version if version else ''} is not loaded")
            for key in keys:
                self._unloaded.add(key)
                if key in self._held:
                    await self._drop(key)
            self._find_idle()

    async def refresh(self) -> None:
        """Follow changes on disk for the models in memory; refuse broken versions, and log each once."""
        async with self._lock:
            await self.look()
            for name in sorted({name for name, _ in self._held}):
                await self._follow(name)

    async def close(self) -> None:
        """Wait until every model has answered its calls, then unload all."""
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        async with self._lock:
            for key in list(self._held):
                await self._drop(key)
        self._loaders.shutdown()

    def _find(self, name: str, version: str) -> LoadedModel | None:
        """Get a model in memory, and note that a call asked for it now."""
        key = (name, version or self._newest_held(name))
        held = self._held.get(key)
        if held is None:
            return None
        self._used[key] = time.monotonic()
        return held.model

    async def _once(self, key: Key, load: Callable[[Key], Awaitable[LoadedModel]]) -> LoadedModel:
        """Load once for all calls that wait."""

        async def loading() -> LoadedModel:
            try:
                async with self._lock:
                    model = await load(key)
                    await self._make_room(model)
                    return model
            finally:
                del self._asked[key]

        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(loading())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # A caller who gives up does not stop the load: others wait for it, and the next call finds it done.
        return await asyncio.shield(task)

    async def _load_asked(self, key: Key) -> LoadedModel:
        return await self._load_newest(key[0])

    async def _load_beside(self, key: Key) -> LoadedModel:
        """Load a version that does not answer by default."""
        folder = self._on_disk.get(key)
        if folder is None:
            raise self._missing(*key)
        if key not in self._held:
            if (error := await self._try(folder)) is not None:
                raise error
            self._beside.add(key)
            self._find_idle()
        return self._held[key].model

    def _choose(self, name: str, version: str, sha256: str) -> Key:
        """Find the version that a call means, in memory or on disk. Raises NotFound(MODEL_NOT_FOUND)."""
        digests = {
            folder.key: folder.manifest.sha256 if folder.manifest else ""
            for folder in self._candidates(name)
            if folder.key not in self._unloaded
        }
        digests |= {key: held.model.manifest.sha256 for key, held in self._held.items() if key[0] == name}
        key = (name, version)
        if not sha256:
            if key in digests:
                return key
            raise self._missing(name, version)
        having = [one for one, digest in digests.items() if digest == sha256]
        if having:
            return key if key in having else max(having, key=lambda one: int(one[1]))
        known = ", ".join(f"{one[1]} ({digest[:12]}…)" for one, digest in sorted(digests.items())) or "none"
        message = f"no version of '{name:.64}' has SHA-256 {sha256[:12]}…; there are: {known}"
        raise NotFound("MODEL_NOT_FOUND", message)

    async def _follow(self, name: str) -> None:
        """Reload what changed in place; then let the newest good version take over, unless the version is pinned."""
        on_disk = self._on_disk
        for key in [key for key in self._held if key[0] == name and key in on_disk]:
            if self._is_news(on_disk[key]):
                await self._try(on_disk[key])
        before = self._newest_held(name)
        if not before:  # All that is in memory are versions for which calls asked.
            for key in [key for key in self._held if key[0] == name and key not in on_disk]:
                await self._drop(key)
            return
        if name in self._pinned:
            return
        try:
            newest = (await self._load_newest(name)).manifest.version
        except ConvoyError:
            return  # The version in memory goes on answering.
        gone = [key for key in self._held if key[0] == name and key not in on_disk and key[1] != newest]
        outdated = [(name, before)] if before != newest else []
        for key in dict.fromkeys((*outdated, *gone)):
            await self._drop(key)

    async def _load_newest(self, name: str) -> LoadedModel:
        """Load the newest good version. If no version is good, raise what is wrong with the newest."""
        problem: ConvoyError | None = None
        for folder in self._candidates(name):
            held = self._held.get(folder.key)
            if folder.key in self._unloaded:
                break
            if folder.key in self._beside:
                self._beside.discard(folder.key)
                self._find_idle()
            if held is not None and not self._is_news(folder):
                return held.model
            if held is None and self._is_known_bad(folder):
                problem = problem or copy.copy(self._refused[folder.key].error)
            elif (error := await self._try(folder)) is None:
                return self._held[folder.key].model
            elif held is not None:
                return held.model
            elif error.reason == "DEVICE_UNAVAILABLE":
                raise error
            else:
                problem = problem or error
        raise problem or self._missing(name)

    async def _try(self, folder: VersionFolder) -> ConvoyError | None:
        """Load a version. Returns a failure, and logs it once for each state of the files."""
        before = self._refused.get(folder.key)
        try:
            await self._load(folder)
        except ConvoyError as error:
            if before is None or before.files != folder.files:
                log.error("model refused", model=folder.name, version=folder.version, problem=str(error))
            return error
        return None

    async def _load(self, folder: VersionFolder) -> LoadedModel:
        """Load or reload a version, and let it answer. If it raises what is wrong, nothing has changed."""
        key, held = folder.key, self._held.get(folder.key)
        if held is not None and held.files == folder.files:
            return held.model
        if not self._may_be_ours(folder):
            raise self._missing(*key)
        loop = asyncio.get_running_loop()
        try:
            model = await loop.run_in_executor(self._loaders, self._open, folder, held)
        except ConvoyError as error:
            self._refused[key] = _Refused(error, folder.files, folder.is_settled)
            self._find_idle()
            MODEL_READY.labels(*key).set(int(held is not None))
            raise
        self._hold(key, _Held(model, folder.files))
        if held is not None and held.model is not model:
            await held.model.batcher.close()
        return model

    def _open(self, folder: VersionFolder, held: _Held | None) -> LoadedModel:
        """Load the version in a thread; return the one in memory if its files have the same content."""
        touched_only = held is not None and folder.changed(held.files) <= _CHECKED_BY_DIGEST
        if held is not None and touched_only and load_manifest(folder.path) == held.model.manifest:
            return held.model
        return load_model(folder.path, self._tasks, self._loading, self._executor)

    def _hold(self, key: Key, held: _Held) -> None:
        before = self._held.get(key)
        self._held[key] = held
        self._refused.pop(key, None)
        self._unloaded.discard(key)
        self._find_idle()
        if before is not None and before.model is held.model:
            return
        MODEL_READY.labels(*key).set(1)
        QUEUE_DEPTH.labels(*key).set_function(lambda: held.model.batcher.queue_depth)
        log.info("model loaded", model=key[0], version=key[1], provider=held.model.engine.provider)

    async def _make_room(self, newcomer: LoadedModel) -> None:
        """Unload models that are not required, starting with the one that has gone unused for longest."""
        spare = [
            key
            for key, held in self._held.items()
            if (key in self._beside or key[0] not in self._required) and held.model is not newcomer
        ]
        surplus = len(self._held) - (self._most or len(self._held))
        for key in sorted(spare, key=lambda key: self._used.get(key, 0.0))[: max(0, surplus)]:
            await self._drop(key)

    async def _drop(self, key: Key) -> None:
        held = self._held.pop(key)
        self._beside.discard(key)
        self._find_idle()
        self._used.pop(key, None)
        await held.model.batcher.close()
        MODEL_READY.labels(*key).set(0)
        QUEUE_DEPTH.remove(*key)
        log.info("model unloaded", model=key[0], version=key[1])

    def _entry(self, key: Key) -> Entry:
        held, refused, folder = self._held.get(key), self._refused.get(key), self._on_disk.get(key)
        manifest = held.model.manifest if held else folder.manifest if folder else None
        problem = str(refused.error) if refused else "" if held or folder is None else folder.problem
        return Entry(*key, manifest, held.model if held else None, problem)

    def _find_idle(self) -> None:
        """Cache it, since every call of the Open Inference Protocol asks for it."""
        others = self._pinned.union(name for name, _ in self._held.keys() - self._beside)
        self._idle = frozenset(
            folder.name
            for folder in self._on_disk.values()
            if folder.name not in others and folder.key not in self._unloaded and self._may_answer(folder)
        )

    def _candidates(self, name: str) -> list[VersionFolder]:
        """List the versions of a model on disk that this service might use, newest first."""
        versions = [folder for key, folder in self._on_disk.items() if key[0] == name and self._may_be_ours(folder)]
        return sorted(versions, key=lambda folder: -int(folder.version))

    def _may_be_ours(self, folder: VersionFolder) -> bool:
        return folder.manifest is None or folder.manifest.task in self._tasks

    def _may_answer(self, folder: VersionFolder) -> bool:
        return self._may_be_ours(folder) and not self._is_known_bad(folder)

    def _may_load(self, name: str, version: str) -> bool:
        """Whether a call may load this version: only the one that answers by default."""
        if name in self._pinned:
            return False
        versions = self._candidates(name)
        newest = next((folder for folder in versions if not self._is_known_bad(folder)), None)
        if newest is None:
            return bool(versions)  # The load then says what is wrong with them.
        return newest.key not in self._unloaded and version in ("", newest.version)

    def _is_news(self, folder: VersionFolder) -> bool:
        """Whether a version in memory changed on disk, unless its present files were refused already."""
        return folder.files != self._held[folder.key].files and not self._is_known_bad(folder)

    def _is_known_bad(self, folder: VersionFolder) -> bool:
        """Whether a version's present files were refused at a time when nobody was still writing them."""
        refused = self._refused.get(folder.key)
        return refused is not None and refused.is_settled and refused.files == folder.files

    def _newest_held(self, name: str) -> str:
        versions = [version for found, version in self._held.keys() - self._beside if found == name]
        return max(versions, key=int, default="")

    def _missing(self, name: str, version: str = "") -> ConvoyError:
        """Make the error that says why a model does not answer."""
        versions = self._candidates(name)
        elsewhere = [f.manifest.task for key, f in self._on_disk.items() if key[0] == name and f.manifest]
        if elsewhere and not versions:
            return wrong_task(name, elsewhere[0], self._tasks)
        loaded = sorted((found for key, found in self._held if key == name), key=int)
        if version and loaded:
            message = f"version {version} of '{name}' is not loaded; loaded are: {', '.join(loaded)}"
        elif version and all(folder.version != version for folder in versions):
            message = f"there is no model {name}/{version} in the repository"
        elif versions:
            message = f"the model {name}{version and '/'}{version} is not loaded"
        else:
            known = {key[0] for key, folder in self._on_disk.items() if self._may_be_ours(folder)}
            there = ", ".join(sorted(known | {key[0] for key in self._held})) or "none"
            message = f"there is no model named '{name}' in the repository; there are: {there}"
        return NotFound("MODEL_NOT_FOUND", message)
