"""Every command of every page: run here as it stands, page by page, or with the test that runs it, or why none does."""

import os
import re
import subprocess
import sys
import wave
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.core.api import API
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from convoy.testing.pictures import encode, group, portrait
from convoy.testing.tiny_models import write_repository

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
# Of commands that do not run here: what they begin with, and where they run or why they do not.
ELSEWHERE = {
    r"make (demo|history)": "tests/e2e/test_demo.py and tests/slow/test_history.py",
    r"make setup": "every checkout of CI",
    r"source |export ": "settings of your shell; the tests give them to each command",
    r"(\w+=\S+ )*convoy (up|serve)": "tests/integration/test_cli.py starts and stops them",
    r"(\w+=\S+\s+)*docker |git checkout|scripts/(backup|restore)|echo CONVOY": "tests/e2e",
    r"kubectl |helm install": "no cluster; tests/unit/test_kubernetes.py and integration/test_helm.py render the files",
    r"grpcurl ": "no package index has it; tests/slow/test_examples.py reads its requests by the protos",
    r"convoy model import": "tests/unit/importing/test_how_to.py, on look-alikes of the files",
    r"yolo |python export.py": "tools of others, which make a file that we read",
    r"convoy model (pull|catalogue)": "tests/slow/test_pull.py and tests/unit/catalogue",
    r"convoy migrate|aws ": "tests/integration/test_migrate.py",
    r"(\.venv/bin/)?convoy-train (?!zoo)": "tests/unit/training, on small data: the data are their publishers' own",
    r"convoy-train zoo": "tests/unit/training",
    r"pip install|python3 -m venv": "tests/slow/test_packages.py",
    r"(CONVOY_DATA=\S+ )?python -m (benchmarks|tests)": "programs of this repository that take minutes to hours",
    r"git worktree": "a commit of the history",
    r"perf_analyzer": "needs a newer glibc than Debian 12 has",
    r"sudo ": "needs another user",
    r"convoy track": "tests/integration/test_track.py, with a film",
    r"convoy detect cells.png": "tests/integration/test_instance_masks.py, with a model that has masks",
    r"convoy explain (street|smear)": "tests/integration/test_explaining.py: a picture must show the label",
    r"convoy register ada ada.jpg --gallery staff --min-liveness": "tests/integration/test_face_classifiers.py",
    r"convoy health$": "tests/integration/test_cli.py; here the page has turned TLS on",
    r"printf ": "tests/integration/test_door_keys.py",
    r"convoy segment-volume": "tests/integration/test_volumes.py, with a model that takes volumes",
    r"convoy (gallery create shelf|register nut|identify unknown|embed unknown)": "tests/integration/test_things.py; "
    "the page makes the embedder",
}
# What pages take for granted: galleries that are there already, with Ada in them.
GALLERIES = {"docs/client.md": "staff", "docs/how-to/erase-a-person.md": "staff"}


def lines_of(page: Path) -> list[str]:
    """The commands of a page, as one would type them: a line that goes on is one command."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    lines = (
        line.strip()
        for block in blocks
        for line in re.sub(r"\\\n|\|\n", lambda m: m[0][0].strip("\\"), block).splitlines()
    )
    settings, found = "", []
    for line in lines:
        if re.fullmatch(r'[a-z_]+="[^"]*"', line):  # A variable for the lines after it.
            settings += f"{line}; "
        elif line and not line.startswith("#"):
            found.append(settings + line)
    return found


def elsewhere(line: str) -> str | None:
    """Where a command runs if not here, or why it does not."""
    return next((why for start, why in ELSEWHERE.items() if re.match(start, line)), None)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


RUN_HERE = [page for page in PAGES if any(elsewhere(line) is None for line in lines_of(page))]


def test_every_rule_is_needed() -> None:
    lines = [line for page in PAGES for line in lines_of(page)]
    assert [start for start in ELSEWHERE if not any(re.match(start, line) for line in lines)] == []


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The published models, with small stand-ins for those of faces, which know drawn people."""
    models = write_repository(tmp_path_factory.mktemp("tiny"))
    merged = tmp_path_factory.mktemp("models")
    for source in (ROOT / "exported_models").iterdir():
        if source.is_dir():
            faces = models / source.name if source.name.startswith("face-") else source
            if faces.exists():
                (merged / source.name).symlink_to(faces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOY_ADMIN", "true")  # A page loads a model.
        data, web_port = tmp_path_factory.mktemp("data"), free_range(1)
        with Fleet(data, merged, free_ports(), metrics=False, web_port=web_port) as started:
            yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the pages name."""
    photos = {"ada_1": 1, "ada1": 1, "ada": 1, "photo": 1, "door": 1, "a": 1, "b": 2, "small": 3, "night": 1}
    for name, person in photos.items():
        (tmp_path / f"{name}.jpg").write_bytes(encode(portrait(person), ".jpg"))
    for name in ("ada_2", "ada2", "ada-2"):
        (tmp_path / f"{name}.jpg").write_bytes(encode(portrait(1, noise=5), ".jpg"))
    for name in ("group", "party"):
        (tmp_path / f"{name}.jpg").write_bytes(encode(group([1, 2]), ".jpg"))
    (tmp_path / "street.png").write_bytes(encode(portrait(2)))
    for inner in ("photos/bob", "secrets/faces", "secrets/recognition", "smooth"):
        (tmp_path / inner).mkdir(parents=True)
    (tmp_path / "photos" / "bob" / "1.jpg").write_bytes(encode(portrait(2), ".jpg"))
    (tmp_path / "key").write_bytes(b64encode(os.urandom(32)))
    (tmp_path / "beats.csv").write_text("0.5\n" * 1000)
    with wave.open(str(tmp_path / "beats.wav"), "wb") as sound:
        sound.setparams((1, 2, 200, 2000, "NONE", ""))
        sound.writeframes(bytes(4000))
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "exported_models").symlink_to(ROOT / "exported_models")
    return tmp_path


@pytest.mark.parametrize("page", RUN_HERE, ids=name_of)
def test_the_commands_of_a_page_run(page: Path, fleet: Fleet, folder: Path) -> None:
    with fleet.client() as convoy:
        for left in list(convoy.list_galleries()):
            convoy.delete_gallery(left.name)
        if gallery := GALLERIES.get(name_of(page)):
            convoy.create_gallery(gallery)
            convoy.register(gallery, "ada", [portrait(1)])
    addresses = {f"CONVOY_{name.upper()}_ADDRESS": address for name, address in fleet.addresses.items()}
    programs = folder / "programs"
    programs.mkdir()
    (programs / "convoy").write_text(f'#!/bin/sh\nexec {sys.executable} -m convoy.cli "$@"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = os.environ | addresses | {"PATH": f"{programs}:{os.environ['PATH']}"}
    for line in lines_of(page):
        if elsewhere(line) is None:
            here = line.replace("localhost:8080", str(fleet.web_url).partition("//")[2])
            here = re.sub(r"127\.0\.0\.1:(5005\d)", lambda found: ported(fleet, int(found[1])), here)
            here = re.sub(r"\bcurl ", "curl -fsS ", here)
            here = re.sub(r"(convoy person delete .*)", r"\1 --yes", here)
            done = subprocess.run(["bash", "-c", here], cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def ported(fleet: Fleet, port: int) -> str:
    return next(fleet.addresses[name] for name, entry in API.items() if entry.port == port)
