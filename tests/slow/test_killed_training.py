"""A training whose process is killed goes on to the same bits in another process."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml

from tests.unit.training.test_resume import data, equal, fields

__all__ = ["data"]
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 240


def test_a_process_that_is_killed_leaves_what_another_goes_on_from(data: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(fields("detection", data) | {"epochs": 40}))
    words = [sys.executable, "-m", "convoy_training", "fit", str(tmp_path / "r.yaml"), "--accelerator", "cpu"]
    inside = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "services"), str(ROOT / "training")))}
    cut = subprocess.Popen([*words, "--run", str(tmp_path / "cut")], env=inside, stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + WAIT_S
        while not (tmp_path / "cut/last.ckpt").exists():
            assert cut.poll() is None and time.monotonic() < ends
            time.sleep(0.01)
    finally:
        cut.send_signal(signal.SIGKILL)
        cut.wait(WAIT_S)
    for run, more in (("cut", ["--resume"]), ("whole", [])):
        subprocess.run([*words, "--run", str(tmp_path / run), *more], env=inside, check=True, timeout=WAIT_S,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    cut_state, whole = (
        torch.load(tmp_path / run / "last.ckpt", weights_only=True)["model"] for run in ("cut", "whole")
    )
    assert equal(cut_state, whole)


def test_a_process_of_several_that_is_killed_is_told_of_and_the_training_goes_on(data: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(fields("detection", data) | {"epochs": 60}))
    words = [sys.executable, "-m", "convoy_training", "fit", str(tmp_path / "r.yaml"), "--accelerator", "cpu"]
    words += ["--devices", "2", "--run", str(tmp_path / "run")]
    inside = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "services"), str(ROOT / "training")))}
    cut = subprocess.Popen(
        words, env=inside, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        ends = time.monotonic() + WAIT_S
        while not (tmp_path / "run/last.ckpt").exists():
            assert cut.poll() is None and time.monotonic() < ends
            time.sleep(0.05)
        (other,) = Path(f"/proc/{cut.pid}/task/{cut.pid}/children").read_text().split()
        os.kill(int(other), signal.SIGKILL)
        _, told = cut.communicate(timeout=WAIT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):  # both processes are gone, as they should be
            os.killpg(cut.pid, signal.SIGKILL)
    assert cut.returncode == 1
    assert "error: process 2 of 2 was killed by signal 9" in told and "--resume" in told and "Traceback" not in told
    subprocess.run([*words, "--resume"], env=inside, check=True, timeout=WAIT_S, stdout=subprocess.DEVNULL)
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["epoch"] == 60
