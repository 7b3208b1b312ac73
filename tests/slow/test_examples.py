"""The examples that need more than Convoy: npm and FastAPI, from their registries."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from convoy.testing.pictures import encode, portrait
from convoy.testing.tiny_models import write_repository

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    models = write_repository(tmp_path_factory.mktemp("models"))
    with Fleet(tmp_path_factory.mktemp("data"), models, free_ports(), metrics=False, web_port=free_range(1)) as started:
        with started.client() as convoy:
            convoy.create_gallery("door")
            convoy.register("door", "ada", [portrait(1)], display_name="Ada")
        yield started


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed and generated as its README says, in a copy of its own."""
    if shutil.which("npm") is None:
        pytest.skip("no npm")
    copy = tmp_path_factory.mktemp("clone") / "examples" / "node"
    shutil.copytree(ROOT / "examples" / "node", copy, ignore=shutil.ignore_patterns("node_modules", "generated"))
    (copy.parents[1] / "proto").symlink_to(ROOT / "proto")
    for command in (["npm", "ci"], ["npm", "run", "generate"], ["npm", "run", "check"]):
        subprocess.run(command, cwd=copy, check=True, timeout=300)
    return copy


def tell(node: Path, fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CONVOY_WEB": str(fleet.web_url)}
    command = ["node", "story.js", *words]
    return subprocess.run(command, cwd=node, env=environment, capture_output=True, text=True, timeout=60)


def test_node_knows_what_and_who(node: Path, fleet: Fleet, tmp_path: Path) -> None:
    photo = tmp_path / "ada.png"
    photo.write_bytes(encode(portrait(1)))
    told = tell(node, fleet, str(photo), "door")
    assert told.returncode == 0, told.stderr
    *labels, who = told.stdout.splitlines()
    assert who == "Ada" and labels and all(line.endswith(" %") for line in labels)


def test_node_tells_what_went_wrong(node: Path, fleet: Fleet, tmp_path: Path) -> None:
    photo = tmp_path / "no.png"
    photo.write_bytes(b"not a picture")
    told = tell(node, fleet, str(photo))
    assert told.returncode == 1 and told.stderr.startswith("InvalidArgument: "), told.stderr


@pytest.fixture(scope="module")
def web_application(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> Iterator[str]:
    """The FastAPI example, installed as its first line says beside this environment's packages. Gives its address."""
    packages, port = tmp_path_factory.mktemp("packages"), free_range(1)
    wanted = ("fastapi", "uvicorn", "python-multipart")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), *wanted], check=True, timeout=300
    )
    addresses = {f"CONVOY_{name.upper()}_ADDRESS": address for name, address in fleet.addresses.items()}
    paths = os.pathsep.join([str(packages), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "uvicorn", "examples.fastapi_app:app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | addresses | {"PYTHONPATH": paths})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def post(url: str, photo: Path) -> dict[str, object]:
    """Send a photo as a form, by curl, and wait until the application listens."""
    command = [
        "curl",
        "-sS",
        "--retry",
        "60",
        "--retry-delay",
        "1",
        "--retry-connrefused",
        "-F",
        f"photo=@{photo}",
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_fastapi_says_what_a_photo_shows(web_application: str, tmp_path: Path) -> None:
    photo = tmp_path / "ada.png"
    photo.write_bytes(encode(portrait(1)))
    assert post(f"{web_application}/what", photo).keys() == {"label", "probability"}
    photo.write_bytes(b"not a picture")
    assert post(f"{web_application}/what", photo)["reason"] == "NOT_AN_IMAGE"
