"""The demo as a user runs it, on the published models: both stories, judged by itself and by what it leaves."""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_demo(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "convoy.cli", "demo", "--out", str(out), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=540)


def check_pictures(out: Path, at_least: int) -> None:
    scenes = sorted(path for path in out.glob("*.png") if path.name != "story.png")
    assert len(scenes) >= at_least
    assert all(cv2.imread(str(path)) is not None for path in scenes)
    overview = cv2.imread(str(out / "story.png"))
    assert overview is not None and overview.shape[1] > 1_600


@pytest.mark.slow
def test_the_story_of_packaged_photographs(tmp_path: Path) -> None:
    done = run_demo(tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "altered copies" in done.stdout
    assert "11 of 11 answers were right" in done.stdout
    check_pictures(tmp_path / "out", 9)


@pytest.mark.slow
@pytest.mark.data
def test_the_story_of_ones_own_photographs(tmp_path: Path, data: Path) -> None:
    done = run_demo(tmp_path / "out", "--photos", str(data / "samples" / "people"))
    # A network may take one of these strangers for somebody: face-embedder/2 does so with person_b. The demo says it.
    told = re.search(r"(\d+) of 22 answers were right", done.stdout)
    assert told and int(told[1]) >= 21, done.stdout + done.stderr
    assert (done.returncode == 0) is (told[1] == "22") is ("wrong: " not in done.stdout)
    check_pictures(tmp_path / "out", 17)


@pytest.mark.slow
@pytest.mark.foreign
def test_the_story_with_open_networks_that_were_brought_here(tmp_path: Path, foreign_networks: Path) -> None:
    """Networks that lie in the folder answer; for the others the published models do, and the demo says so."""
    done = run_demo(tmp_path / "out", "--models", "starter", "--from", str(foreign_networks))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "yolox-nano (detection), deeplab-v3 (segmentation), yunet (face_detector)" in " ".join(done.stdout.split())
    assert "mobilenet-v2 cannot be had" in done.stdout and "11 of 11 answers were right" in done.stdout
    check_pictures(tmp_path / "out", 9)
