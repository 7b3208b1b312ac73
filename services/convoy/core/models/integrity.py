"""Whether versions that nobody has loaded yet are what their manifests say: digests, names, files beside the graph."""

from collections.abc import Iterable

from convoy.core.errors import ConvoyError
from convoy.core.manifest import load_manifest
from convoy.core.models.version_folders import FileState, Key, VersionFolder


class Integrity:
    """Reads each graph once for each state of its files, since digests of large graphs take a while."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[frozenset[FileState], bool, str]] = {}

    def problem_of(self, key: Key) -> str:
        """What the last look found wrong with a version; empty if nothing, or if it was not looked at."""
        return self._known[key][2] if key in self._known else ""

    def look(self, folders: Iterable[VersionFolder]) -> None:
        """Check these versions and forget all others. Reads the disk, so call it in a thread."""
        before, self._known = self._known, {}
        for folder in folders:
            known = before.get(folder.key)
            if known is None or known[0] != folder.files or not known[1]:
                known = folder.files, folder.is_settled, _problem(folder)
            self._known[folder.key] = known


def _problem(folder: VersionFolder) -> str:
    if folder.problem:
        return folder.problem
    try:
        load_manifest(folder.path)
    except (ConvoyError, OSError) as error:
        return str(error)
    return ""
