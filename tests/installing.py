"""Installs our wheels as a user does, into environments of their own, and starts what is installed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convoy.fleet.ports import default_ports, free_ports

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "services" / "constraints.txt"
# The lower ends of the ranges, for what others pin most often.
OLDEST = ("grpcio==1.72.2", "protobuf==6.31.1", "numpy==2.0.2", "pydantic==2.7.4", "redis==5.1.1", "typer==0.19.2")
ASK = """
import sys
from convoy.client import Convoy

with Convoy(classification=sys.argv[1], segmentation=sys.argv[2], recognition=sys.argv[3]) as convoy:
    answer, mask = convoy.classify(sys.argv[4]), convoy.segment(sys.argv[4]).mask
    assert convoy.create_gallery("staff").version == 1
print(answer.model.name, mask.shape)
"""


def build_wheels(folder: Path) -> Path:
    """Write the wheels of the client and services, and of the models, into a folder."""
    for source in ("services", "packaging/models"):
        run(
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), f"{ROOT}/{source}"
        )
    return folder


def own_environment() -> dict[str, str]:
    """The variables without PYTHONPATH, by which a new environment would find the checkout in place of the wheel."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*words: str, **more: object) -> str:
    more.setdefault("env", own_environment())
    done = subprocess.run(words, capture_output=True, text=True, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def environment(folder: Path, wheels: Path, extras: str, *more: str, python: str = sys.executable) -> Path:
    """The folder of programs of a new environment that holds convoy-vision with these extras."""
    run(python, "-m", "venv", str(folder))
    named = f"convoy-vision[{extras}]" if extras else "convoy-vision"
    words = ["-m", "pip", "install", "--quiet", "--find-links", str(wheels), named, *more]
    run(str(folder / "bin" / "python"), *words)
    return folder / "bin"


def megabytes(programs: Path) -> float:
    """The size of site-packages, without pip and setuptools."""
    (site,) = programs.parent.glob("lib/python*/site-packages")
    spared = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    folders = [one for one in site.iterdir() if not one.name.startswith(spared)]
    files = [file for one in folders for file in ([one] if one.is_file() else one.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file() and "__pycache__" not in file.parts) / 1e6


@contextmanager
def fleet(programs: Path, folder: Path) -> Iterator[dict[str, str]]:
    """`convoy up` outside of the repository: the address of each service."""
    first = free_ports()["classification"]
    command = [str(programs / "convoy"), "up", "--json", "--ports-from", str(first), "--data", str(folder / "data")]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=own_environment()) as up,
    ):
        try:
            addresses = {
                f"CONVOY_{name.upper()}_ADDRESS": f"127.0.0.1:{port}" for name, port in default_ports(first).items()
            }
            path = {"PATH": f"{programs}:/usr/bin:/bin"}
            while subprocess.run([programs / "convoy", "health"], env=addresses | path, capture_output=True).returncode:
                assert up.poll() is None, (folder / "log").read_text()
                time.sleep(1)
            yield addresses
        finally:
            up.terminate()
