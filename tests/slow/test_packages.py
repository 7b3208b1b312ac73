"""The wheels as a user installs them from the package index, in environments of their own, outside of the repository.

Newest packages are those of the lock, oldest ones the lower ends of the ranges.
"""

import json
import sys
from pathlib import Path

import pytest
from convoy.testing.pictures import encode, portrait

from scripts.image_locks import MANYLINUX
from tests.installing import ASK, LOCK, OLDEST, ROOT, build_wheels, environment, fleet, megabytes, run

CLIENT_LIMIT_MB = 120
LOCKS = sorted((ROOT / "services" / "locks").glob("*.txt"))
APP = """
from convoy.client import Convoy


def best(path: str) -> str:
    with Convoy() as convoy:
        best = convoy.classify(path).best
        return best.label if best else "nothing"


reveal_type(best("photo.jpg"))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheels(tmp_path_factory.mktemp("wheels"))


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


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_the_lock_of_an_image_has_a_wheel_of_every_package(lock: Path, machine: str) -> None:
    """pip finds each by its digest, for both kinds of machine for which images are made."""
    platforms = [f"--platform=manylinux{form}_{machine}" for form in MANYLINUX]
    ways = ["--dry-run", "--ignore-installed", "--quiet", "--only-binary=:all:", "--target=/nowhere", "--no-deps"]
    asked = [*ways, *platforms, "--python-version=3.11", "--require-hashes", "--report=-", "-r", str(lock)]
    found = json.loads(run(sys.executable, "-m", "pip", "install", *asked))["install"]
    digests = {one["download_info"]["archive_info"]["hashes"]["sha256"] for one in found}
    assert len(digests) == lock.read_text().count("==") and all(f"sha256:{one}" in lock.read_text() for one in digests)
