"""The wheels as a user installs them from the package index, in environments of their own, outside of the repository.

Newest packages are those of the lock. Oldest ones are the lower ends of the ranges, for what others pin most often.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from convoy.fleet.ports import default_ports, free_ports
from convoy.testing.pictures import encode, portrait

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "services" / "constraints.txt"
CLIENT_LIMIT_MB = 120
OLDEST = ("grpcio==1.72.2", "protobuf==6.31.1", "numpy==2.0.2", "pydantic==2.7.4", "redis==5.1.1", "typer==0.19.2")
APP = """
from convoy.client import Convoy


def best(path: str) -> str:
    with Convoy() as convoy:
        best = convoy.classify(path).best
        return best.label if best else "nothing"


reveal_type(best("photo.jpg"))
"""
ASK = """
import sys
from convoy.client import Convoy

with Convoy(classification=sys.argv[1], segmentation=sys.argv[2], recognition=sys.argv[3]) as convoy:
    answer, mask = convoy.classify(sys.argv[4]), convoy.segment(sys.argv[4]).mask
    assert convoy.create_gallery("staff").version == 1
print(answer.model.name, mask.shape)
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of the client and services, and of the models."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in ("services", "packaging/models"):
        run(
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), f"{ROOT}/{source}"
        )
    return folder


def run(*words: str, **more: object) -> str:
    done = subprocess.run(words, capture_output=True, text=True, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def environment(folder: Path, wheels: Path, extras: str, *more: str) -> Path:
    """The folder of programs of a new environment that holds convoy-vision with these extras."""
    run(sys.executable, "-m", "venv", str(folder))
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
    with (folder / "log").open("w") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as up:
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


@pytest.fixture(scope="module")
def client(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("client"), wheels, "", "-c", str(LOCK))


def test_the_bare_install_is_a_small_client(client: Path) -> None:
    assert megabytes(client) <= CLIENT_LIMIT_MB


def test_an_app_is_type_checked_against_the_wheel(client: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ["-m", "mypy", "--strict", "--python-executable", str(client / "python"), "app.py"]
    assert 'Revealed type is "str"' in run(sys.executable, *words, cwd=tmp_path).replace("builtins.str", "str")


@pytest.mark.parametrize("ends", [("-c", str(LOCK)), OLDEST], ids=["newest", "oldest"])
def test_everything_serves_outside_of_the_repository(
    ends: tuple[str, ...], wheels: Path, client: Path, tmp_path: Path
) -> None:
    programs = environment(tmp_path / "all", wheels, "all", *ends)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encode(portrait(1), ".jpg"))
    with fleet(programs, tmp_path) as addresses:
        said = run(str(programs / "convoy"), "classify", str(photo), "--json", env=addresses, cwd=tmp_path)
        assert json.loads(said)
        ports = [addresses[f"CONVOY_{name}_ADDRESS"] for name in ("CLASSIFICATION", "SEGMENTATION", "RECOGNITION")]
        asked = run(str(client / "python"), "-c", ASK, *ports, str(photo), cwd=tmp_path)
        assert asked.startswith("cifar10-resnet (")
