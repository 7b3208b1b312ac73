"""`cp .env.example .env` changes nothing, in Compose's own reading; nothing is started."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.compose import ROOT

pytestmark = pytest.mark.docker


def configured(file: Path) -> str:
    """What Compose makes of docker-compose.yml with that file of variables."""
    command = ["docker", "compose", "--env-file", str(file), "config"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVOY_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_copy_of_env_example_changes_nothing(tmp_path: Path) -> None:
    nothing, copy = tmp_path / "nothing", tmp_path / "copy"
    nothing.write_text("")
    copy.write_text((ROOT / ".env.example").read_text())
    assert configured(copy) == configured(nothing)


def test_compose_reads_it_with_every_variable_in_force(tmp_path: Path) -> None:
    file = tmp_path / "all"
    file.write_text(re.sub(r"^#(?=[A-Z])", "", (ROOT / ".env.example").read_text(), flags=re.M))
    assert "\n  classification:\n" in configured(file)
