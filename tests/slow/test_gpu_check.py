"""The check for a machine with a GPU, dry: on the CPU."""

import subprocess
import sys
from pathlib import Path


def test_a_dry_run_on_the_cpu_finds_every_model_equal_and_every_missing_device_refused(root: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--dry-run", "--seconds", "0.5"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cuda is refused True" in done.stdout and "'mobilenet-v2.uint8'" in done.stdout
