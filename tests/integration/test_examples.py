"""The examples run on a real fleet, and the tutorial shows the example that is run."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from convoy.client import Convoy
from convoy.fleet import Fleet
from convoy.testing.pictures import portrait

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten frames of one person."""
    image_rgb = portrait(1)
    path = tmp_path / "door.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (image_rgb.shape[1], image_rgb.shape[0]))
    for _ in range(10):
        writer.write(image_rgb[:, :, ::-1].copy())
    writer.release()
    return path


def run(fleet: Fleet, example: str, *words: str) -> str:
    addresses = {f"CONVOY_{name.upper()}_ADDRESS": address for name, address in fleet.addresses.items()}
    command = [sys.executable, str(EXAMPLES / example), *words]
    done = subprocess.run(command, env=os.environ | addresses, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_door_camera_greets_once(fleet: Fleet, film: Path) -> None:
    with fleet.client() as convoy:
        greet(convoy)
    assert run(fleet, "door_camera.py", "door", str(film)) == "hello, Ada\n"


def greet(convoy: Convoy) -> None:
    convoy.create_gallery("door")
    convoy.register("door", "ada", [portrait(1)], display_name="Ada")


def test_a_film_is_searched_and_drawn_into(fleet: Fleet, film: Path, tmp_path: Path) -> None:
    assert run(fleet, "opencv_loop.py", str(film), str(tmp_path / "found.mp4")).endswith(" objects\n")
    drawn = cv2.VideoCapture(str(tmp_path / "found.mp4"))
    assert sum(1 for _ in iter(lambda: drawn.grab(), False)) == 10


def test_tritonclient_gets_labels(fleet: Fleet) -> None:
    said = run(fleet, "triton_client.py", fleet.addresses["classification"], "cifar10-resnet")
    assert said.splitlines()[0].startswith("red ") and len(said.splitlines()) == 3


NOT_STARTED = {
    "README.md": "says what each is",
    "cameras/double-take.yaml": "its images come from a registry of others",
    "cameras/viseron.yaml": "its images come from a registry of others",
    "node/buf.gen.yaml": "npm run generate reads it",
    "node/package-lock.json": "npm ci reads it",
    "node/package.json": "npm reads it",
    "node/tsconfig.json": "npm run check reads it",
}


def test_every_example_is_started_by_a_test_or_it_is_said_why_not() -> None:
    tracked = subprocess.run(["git", "ls-files", "examples"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name.removeprefix("examples/") for name in tracked.stdout.split()}
    tests = "".join((ROOT / "tests" / name).read_text() for name in STARTING)
    # A web framework is told of a module, by its name without the ending.
    started = {
        name for name in files - set(NOT_STARTED) if Path(name).name in tests or f"examples.{Path(name).stem}" in tests
    }
    assert started | set(NOT_STARTED) == files
    page = (EXAMPLES / "README.md").read_text()
    assert [name for name in started if name not in page] == []


STARTING = ("integration/test_examples.py", "integration/test_helm.py", "slow/test_examples.py")


def test_the_tutorial_shows_the_example() -> None:
    code = (EXAMPLES / "door_camera.py").read_text().partition('"""\n\n')[2]
    assert code in (ROOT / "docs" / "tutorials" / "door-camera.md").read_text()
