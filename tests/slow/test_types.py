"""An app's types, by mypy --strict and by pyright: clients, plans, policies and errors have the types that they say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYRIGHT = "pyright@1.1.414"
APP = """
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt
from convoy import AsyncConvoy, Convoy, ConvoyError, GalleryPolicy, NotFound
from convoy.client import plans
from convoy.client.answers.recognition import Identification, IdentifiedFace, Match, Registration
from convoy.client.answers.vision import Classification, Detections


def frames() -> Iterator[npt.NDArray[np.uint8]]:
    yield np.zeros((8, 8, 3), np.uint8)


def ask(photo: Path) -> str:
    with Convoy(recognition="127.0.0.1:50055", timeout_s=2.0) as convoy:
        assert_type(convoy.classify(photo), Classification)
        assert_type(convoy.detect(photo.read_bytes()), Detections)
        policy = GalleryPolicy(false_positive_identification_rate=0.001)
        gallery = convoy.create_gallery("staff", policy=policy)
        assert_type(gallery.version, int)
        assert_type(convoy.register("staff", "ada", [photo, "ada.jpg"], tags=["a"]), Registration)
        for person in convoy.list_people("staff"):
            assert_type(person.person_id, str)
        for answer in convoy.stream(plans.identify("staff", frame) for frame in frames()):
            if isinstance(answer, ConvoyError):
                print(answer.reason, answer.request_id)
            else:
                assert_type(answer, Identification)
        answers = list(convoy.stream(plans.classify(frame) for frame in frames()))
        assert_type(answers, list[Classification | ConvoyError])
        try:
            found = convoy.identify("staff", next(frames()), min_face_size=40)
        except NotFound as error:
            return error.reason
        for face in found:
            assert_type(face, IdentifiedFace)
            assert_type(face.person, Match | None)
        return found.faces[0].decision.value


async def ask_async(photo: Path) -> int:
    async with AsyncConvoy() as convoy:
        first, second = await asyncio.gather(convoy.classify(photo), convoy.identify("staff", photo))
        assert_type(first, Classification)
        assert_type(second, Identification)
        people = [person.person_id async for person in convoy.list_people("staff")]
        return len(people)


print(ask(Path("photo.jpg")), asyncio.run(ask_async(Path("photo.jpg"))))
"""
WRONG = """
from convoy import AsyncConvoy, Convoy

with Convoy() as convoy:
    number: int = convoy.classify("photo.jpg").best
    convoy.identify(1, "photo.jpg")
    convoy.no_such_call()


async def ask() -> str:
    async with AsyncConvoy() as convoy:
        return convoy.classify("photo.jpg").model.name
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(APP)
    (folder / "wrong.py").write_text(WRONG)
    return folder


def mypy(app: Path, file: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "", file]
    return subprocess.run(command, cwd=app, capture_output=True, text=True, timeout=900)


def pyright(app: Path, file: str) -> subprocess.CompletedProcess[str]:
    paths = f'"extraPaths": ["{ROOT / "services"}"], "pythonVersion": "3.11", "typeCheckingMode": "strict"'
    (app / "pyrightconfig.json").write_text(f'{{"include": ["{file}"], {paths}}}')
    command = ["npx", "--yes", PYRIGHT, "--pythonpath", sys.executable]
    return subprocess.run(command, cwd=app, capture_output=True, text=True, timeout=900)


def test_mypy_takes_the_app(app: Path) -> None:
    done = mypy(app, "app.py")
    assert done.returncode == 0, done.stdout


def test_mypy_finds_each_mistake(app: Path) -> None:
    lines = {int(line.split(":")[1]) for line in mypy(app, "wrong.py").stdout.splitlines() if ": error:" in line}
    assert lines == {5, 6, 7, 12}


@pytest.mark.skipif(shutil.which("npx") is None, reason="no npm")
def test_pyright_takes_the_app(app: Path) -> None:
    done = pyright(app, "app.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("npx") is None, reason="no npm")
def test_pyright_finds_each_mistake(app: Path) -> None:
    found = pyright(app, "wrong.py").stdout.splitlines()
    lines = {int(line.split(":")[1]) for line in found if " - error: " in line}
    assert lines == {5, 6, 7, 12}
