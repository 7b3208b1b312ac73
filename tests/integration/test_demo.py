"""The demo judges honestly: with models that know nothing of photographs it says what was wrong and exits with 1."""

import os
import subprocess
import sys
from pathlib import Path

from convoy.testing.pictures import encode, portrait

NAMES = ("chelsea.png", "china.jpg", "astronaut.png", "ada/", "bob/", "eve/")


def run_demo(models: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "convoy.cli", "demo", "--out", str(out), *options],
        env=os.environ | {"CONVOY_MODELS": str(models), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=540,
    )


def test_wrong_answers_are_named_and_right_ones_counted(tiny_repository: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    for name, number, photos in (("ada", 1, 3), ("bob", 2, 2), ("eve", 3, 1)):
        (people / name).mkdir(parents=True)
        for place in range(photos):
            (people / name / f"{place}.png").write_bytes(encode(portrait(number, noise=place)))
    done = run_demo(tiny_repository, tmp_path / "out", "--photos", str(people))
    assert done.returncode == 1, done.stdout + done.stderr
    wrong = [line for line in done.stdout.splitlines() if line.startswith("wrong:")]
    assert [next(name for name in NAMES if name in line) for line in wrong] == [
        "chelsea.png",
        "china.jpg",
        "astronaut.png",
        "astronaut.png",
    ]
    assert "10 of 14 answers were right." in done.stdout
    assert (tmp_path / "out" / "story.png").exists()


def test_too_few_people_are_refused_in_a_sentence(tiny_repository: Path, tmp_path: Path) -> None:
    (tmp_path / "people" / "ada").mkdir(parents=True)
    (tmp_path / "people" / "ada" / "1.png").write_bytes(encode(portrait(1)))
    done = run_demo(tiny_repository, tmp_path / "out", "--photos", str(tmp_path / "people"))
    assert done.returncode == 2
    assert "at least two people" in done.stderr and len(done.stderr.splitlines()) == 1
