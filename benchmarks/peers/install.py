"""Make peers/<name>/.venv from peers/<name>/requirements.txt.

What does not install is said, with pip's last lines, and left out of the comparison.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = ("pytriton", "mlserver", "bentoml", "litserve")


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment."""
    return FOLDER / name / ".venv" / "bin" / "python"


def install(name: str) -> str:
    """Make the environment; what went wrong, empty if nothing did."""
    python = python_of(name)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
    command = [python, "-m", "pip", "install", "--quiet", "--requirement", FOLDER / name / "requirements.txt"]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else "\n".join(done.stderr.splitlines()[-3:])


if __name__ == "__main__":
    for peer in NAMES:
        print(peer, install(peer) or "is installed", flush=True)
