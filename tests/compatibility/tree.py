"""A checkout of Convoy, of this version or of another, whose commands run in the present virtual environment.

Everything here goes through what users have: the `convoy` command that services/pyproject.toml names, and the
CONVOY_* variables. So it works for every version.
"""

import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Mapping
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement


class Tree(NamedTuple):
    """root: the folder that holds services/."""

    root: Path

    def convoy(self, *arguments: str) -> list[str]:
        """The words that run `convoy ARGUMENTS` of this tree."""
        module, _, function = self._project()["scripts"]["convoy"].partition(":")
        code = f"import sys; from {module} import {function}; sys.exit({function}())"
        return [sys.executable, "-c", code, *arguments]

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The variables of a process of this tree: `settings`, and no other of CONVOY_*."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CONVOY_")}
        return kept | {"PYTHONPATH": str(self.root / "services")} | dict(settings)

    def unmet_requirements(self) -> list[str]:
        """What this tree asks for and the environment has not got, one sentence each."""
        wanted = [Requirement(one) for one in self._project()["dependencies"]]
        pairs = [(one, metadata.version(one.name)) for one in wanted]
        return [f"it asks for {one}, {have} is installed" for one, have in pairs if have not in one.specifier]

    def package(self) -> Path:
        """The folder that `import convoy` of this tree's processes finds."""
        command = [sys.executable, "-c", "import convoy; print(convoy.__path__[0])"]
        run = subprocess.run(command, env=self.environment({}), check=True, capture_output=True, text=True)
        return Path(run.stdout.strip())

    def _project(self) -> dict:
        return tomllib.loads((self.root / "services" / "pyproject.toml").read_text())["project"]


def has_commit(repository: Path, commit: str) -> bool:
    """Whether the clone goes back to that commit."""
    command = ["git", "-C", str(repository), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True).returncode == 0


def unpack(repository: Path, commit: str, folder: Path) -> Tree:
    """Write what a commit holds into a folder."""
    command = ["git", "-C", str(repository), "archive", commit, "services", "proto", "tests"]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as content:
        content.extractall(folder, filter="data")
    return Tree(folder)
