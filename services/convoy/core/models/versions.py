"""What is known of each version of a service's models: on disk, in memory, refused; and which of them may answer.

Nothing here loads or unloads.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from convoy.core.api import split_model
from convoy.core.errors import ConvoyError, NotFound
from convoy.core.manifest import Manifest, Task
from convoy.core.models.loaded_model import LoadedModel, wrong_task
from convoy.core.models.version_folders import FileState, Key, VersionFolder


@dataclass(frozen=True)
class Entry:
    """A version: loaded, refused (then `problem` says why), or only on disk."""

    name: str
    version: str
    manifest: Manifest | None
    loaded: LoadedModel | None
    problem: str = ""


@dataclass(frozen=True)
class Held:
    """A version in memory, and the files from which it was loaded."""

    model: LoadedModel
    files: frozenset[FileState]


@dataclass(frozen=True)
class Refused:
    """Why a version was refused, and the state of its files at that time."""

    error: ConvoyError
    files: frozenset[FileState]
    is_settled: bool


class Versions:
    """The versions of the models of some tasks; required: see Repository."""

    def __init__(self, tasks: Collection[Task], required: Collection[str]) -> None:
        self._required = frozenset(split_model(one)[0] for one in required)
        self._pinned = frozenset(name for name, version in map(split_model, required) if version)
        self._tasks = frozenset(tasks)
        self._on_disk: dict[Key, VersionFolder] = {}
        self._held: dict[Key, Held] = {}
        self._refused: dict[Key, Refused] = {}
        self._unloaded: set[Key] = set()
        self._used: dict[Key, float] = {}
        # Versions that are in memory only since calls asked for them by number or digest.
        self._beside: set[Key] = set()
        self._idle: dict[str, frozenset[Task]] = {}

    @property
    def idle(self) -> Mapping[str, frozenset[Task]]:
        """Models that no call has asked for yet, and that are therefore not in memory: by name, what each may do."""
        return self._idle

    def get(self, name: str, version: str = "") -> LoadedModel:
        """Get a model in memory, by default its newest version. Raises NotFound, FailedPrecondition(WRONG_TASK)."""
        model = self._find(name, version)
        if model is None:
            raise self._missing(name, version)
        return model

    def answers(self, name: str, version: str = "") -> bool:
        """Whether `obtain` would return a model, as far as this is known without loading it."""
        held = (name, version or self._newest_held(name)) in self._held
        return held or (self._may_load(name, version) and not all(map(self._is_known_bad, self._candidates(name))))

    def loaded(self) -> Collection[LoadedModel]:
        """List every model in memory."""
        return [held.model for held in self._held.values()]

    def _find(self, name: str, version: str) -> LoadedModel | None:
        """Get a model in memory, and note that a call asked for it now."""
        key = (name, version or self._newest_held(name))
        held = self._held.get(key)
        if held is None:
            return None
        self._used[key] = time.monotonic()
        return held.model

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

    def _entry(self, key: Key, problem_on_disk: str) -> Entry:
        held, refused, folder = self._held.get(key), self._refused.get(key), self._on_disk.get(key)
        manifest = held.model.manifest if held else folder.manifest if folder else None
        problem = str(refused.error) if refused else "" if held else problem_on_disk
        return Entry(*key, manifest, held.model if held else None, problem)

    def _untried(self) -> list[VersionFolder]:
        """List what is on disk and was neither loaded nor refused."""
        tried = self._held.keys() | self._refused.keys()
        return [folder for key, folder in self._on_disk.items() if key not in tried and self._may_be_ours(folder)]

    def _find_idle(self) -> None:
        """Cache it, since every call of the Open Inference Protocol asks for it."""
        others = self._pinned.union(name for name, _ in self._held.keys() - self._beside)
        self._idle = {}
        for folder in self._on_disk.values():
            if folder.name not in others and folder.key not in self._unloaded and self._may_answer(folder):
                tasks = self._tasks if folder.manifest is None else {folder.manifest.task}
                self._idle[folder.name] = self._idle.get(folder.name, frozenset()) | tasks

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
