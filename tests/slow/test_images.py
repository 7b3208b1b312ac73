"""The images of single services: each holds what its service needs, starts it, and installs by digests."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.core.api import API

ROOT = Path(__file__).resolve().parents[2]
PRESENT = "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])"
# The modules that tell the images apart, and those that each target has.
KINDS = ("faiss", "hypercorn", "numkong", "onnxruntime", "redis")
PATIENCE_S = 180
HELD = {"faces": ["onnxruntime"], "recognition": ["faiss", "numkong", "redis"]}

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(scope="module", params=HELD)
def image(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A target, and the tag of its image."""
    tag = f"convoy-test:{request.param}"
    command = ["docker", "build", "--quiet", "--target", request.param, "--tag", tag, str(ROOT / "services")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    yield request.param, tag
    subprocess.run(["docker", "image", "rm", tag], capture_output=True)


def test_images_are_for_both_kinds_of_machine() -> None:
    command = ["docker", "buildx", "bake", "--file", "services/docker-bake.hcl", "--print", "all"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {name: one["platforms"] for name, one in json.loads(printed)["target"].items()}
    assert targets.pop("gpu") == ["linux/amd64"]
    assert targets.keys() == {"cpu", "tools", "web", *API}
    assert all(platforms == ["linux/amd64", "linux/arm64"] for platforms in targets.values())


def run(*words: str) -> str:
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_image_holds_what_its_service_needs(image: tuple[str, str]) -> None:
    service, tag = image
    assert run("--entrypoint", "python", tag, "-c", PRESENT, *KINDS).strip() == str(HELD[service])
    assert run("--entrypoint", "id", tag, "-un").strip() == "convoy"


def test_an_image_starts_its_service(image: tuple[str, str]) -> None:
    """Recognition listens without Redis, and says that it is not ready."""
    service, tag = image
    models = f"{ROOT / 'exported_models'}:/models:ro"
    options = ["--network", "none", "--read-only", "--tmpfs", "/tmp", "--volume", models]
    started = subprocess.run(["docker", "run", "--detach", *options, tag], capture_output=True, text=True, check=True)
    name = started.stdout.strip()
    try:
        listens = f"import socket; socket.create_connection(('127.0.0.1', {API[service].port}))"
        for _ in range(PATIENCE_S):
            if not subprocess.run(["docker", "exec", name, "python", "-c", listens], capture_output=True).returncode:
                return
            time.sleep(1)
        pytest.fail(subprocess.run(["docker", "logs", name], capture_output=True, text=True).stderr)
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True)
