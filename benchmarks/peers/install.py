"""Make peers/<name>/.venv from peers/<name>/requirements.txt.

If a peer does not install, the command prints pip's last lines, and the comparison leaves it out.
"""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# PyTriton gives its model one second to start, which is not enough on a busy machine.
PATIENCE = ("pytriton/proxy/communication.py", "timeout_s: float = 1.0) -> dict", "timeout_s: float = 30.0) -> dict")
NAMES = ("pytriton", "mlserver", "bentoml", "litserve")


def python_of(name: str) -> Path:
    """Return the interpreter of a peer's environment."""
    return FOLDER / name / ".venv" / "bin" / "python"


def install(name: str) -> str:
    """Make the environment, and return what went wrong; empty if nothing did."""
    python = python_of(name)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--requirement",
        FOLDER / name / "requirements.txt",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return "\n".join(done.stderr.splitlines()[-3:])
    if name == "pytriton":
        path, hasty, patient = PATIENCE
        for file in python.parent.parent.glob(f"lib/*/site-packages/{path}"):
            file.write_text(file.read_text().replace(hasty, patient))
    return ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", default=list(NAMES), metavar="NAME", help="peers to install; by default all"
    )
    for peer in parser.parse_args().names:
        print(peer, install(peer) or "is installed", flush=True)
