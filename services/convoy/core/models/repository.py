"""The models of a service: loads, follows and unloads versions. What is known of each stands in versions.py.

- The newest good version of a model answers. The service refuses a version that breaks the contract, and the one before
  it answers.
- The service loads its default models at its start, and each other model when a call first asks for it.
- A call may ask for one version, an older one too; it is loaded beside the one that answers by default.
- If a loaded model has new files, as a new version or in place, the service checks them before they take over.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import structlog

from convoy.core.errors import ConvoyError, NotFound
from convoy.core.machine import PROMPT_NICENESS, give_way
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Task, load_manifest
from convoy.core.models.integrity import Integrity
from convoy.core.models.loaded_model import LoadedModel, Loading, load_model
from convoy.core.models.version_folders import Key, VersionFolder, VersionFolders
from convoy.core.models.versions import Entry, Held, Refused, Versions
from convoy.core.telemetry import MODEL_READY, QUEUE_DEPTH

log = structlog.get_logger()
_CHECKED_BY_DIGEST = {GRAPH_FILE, MANIFEST_FILE}


class Repository(Versions):
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
        super().__init__(tasks, required)
        self._folders = VersionFolders((folders,) if isinstance(folders, Path) else folders)
        self._integrity = Integrity()
        self._most = most
        self._loading = loading
        self._executor = executor
        # One thread loads while another looks at the disk; neither takes a thread from the graphs that answer.
        # The threads of a wide session inherit the priority: it runs alone, or for a caller who asks for little.
        self._loaders = ThreadPoolExecutor(2, "load", partial(give_way, PROMPT_NICENESS))
        # Loads for which calls wait; without a version for the one that answers by default.
        self._asked: dict[Key, asyncio.Task[LoadedModel]] = {}
        self._lock = asyncio.Lock()

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

    async def look(self, thoroughly: bool = False) -> None:
        """Read again what is on disk. thoroughly: list every folder, whatever its state says. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._on_disk = await loop.run_in_executor(self._loaders, self._folders.look, thoroughly)
        self._refused = {key: refused for key, refused in self._refused.items() if key in self._on_disk}
        self._find_idle()

    async def entries(self) -> list[Entry]:
        """List every version for this repository's tasks, on disk or in memory, by name and version.

        Versions that nobody has loaded are checked against their manifests, digests included.
        """
        await self.look(thoroughly=True)
        on_disk = self._on_disk
        await asyncio.get_running_loop().run_in_executor(self._loaders, self._integrity.look, self._untried())
        found = sorted(on_disk.keys() | self._held.keys(), key=lambda key: (key[0], int(key[1])))
        entries = [self._entry(key, self._integrity.problem_of(key)) for key in found]
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
            self._refused[key] = Refused(error, folder.files, folder.is_settled)
            self._find_idle()
            MODEL_READY.labels(*key).set(int(held is not None))
            raise
        self._hold(key, Held(model, folder.files))
        if held is not None and held.model is not model:
            await held.model.batcher.close()
        return model

    def _open(self, folder: VersionFolder, held: Held | None) -> LoadedModel:
        """Load the version in a thread; return the one in memory if its files have the same content."""
        touched_only = held is not None and folder.changed(held.files) <= _CHECKED_BY_DIGEST
        if held is not None and touched_only and load_manifest(folder.path) == held.model.manifest:
            return held.model
        return load_model(folder.path, self._tasks, self._loading, self._executor)

    def _hold(self, key: Key, held: Held) -> None:
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
