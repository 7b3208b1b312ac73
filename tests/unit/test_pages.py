"""The generated pages are what settings and manifests say today, and no page names a variable that is none."""

import logging
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import dotenv
import pytest
from convoy.core.settings import GROUPS, Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*compose*.y*ml"), ROOT / "services" / "Dockerfile"]
VARIABLES = {f"CONVOY_{name.upper()}" for name in Settings.model_fields}
OF_TESTS = {"CONVOY_DATA", "CONVOY_FOREIGN_MODELS", "CONVOY_REQUIRE_ALL"}


def test_generated_pages_are_fresh(root: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, root / "scripts" / "generate_pages.py", tmp_path], check=True)
    for page in (
        "docs/configuration.md",
        ".env.example",
        "README.md",
        "services/convoy/web/console/catalogue.json",
    ):
        assert (tmp_path / page).read_text() == (root / page).read_text(), f"{page} is stale: run make proto"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bCONVOY_[A-Z0-9_]*[A-Z0-9]\b", page.read_text()))
    assert named <= VARIABLES | OF_TESTS


def env_example(uncommented: bool = False) -> dict[str, str | None]:
    """.env.example as python-dotenv reads it: as it is, or with every variable in force."""
    text = (ROOT / ".env.example").read_text()
    return dotenv.dotenv_values(stream=StringIO(re.sub(r"^#(?=[A-Z])", "", text, flags=re.M) if uncommented else text))


def test_a_copy_of_env_example_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert env_example() == {}
    assert caplog.records == []  # python-dotenv warns of lines that it cannot read.


def test_env_example_has_every_setting_with_its_default(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        values = {name: value for name, value in env_example(uncommented=True).items() if name in VARIABLES}
    assert caplog.records == []
    assert list(values) == [f"CONVOY_{name.upper()}" for group in GROUPS for name in group.model_fields]
    assert Settings.model_validate({name[7:].lower(): value for name, value in values.items() if value}) == Settings()


def test_every_group_of_settings_has_its_section_and_every_setting_one_row() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert re.findall(r"^## (\w+)$", page, re.M) == [group.__name__ for group in GROUPS]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [re.split(r"(?<!\\)\|", row)[1].strip(" `") for row in rows] == [
        f"CONVOY_{name.upper()}" for group in GROUPS for name in group.model_fields
    ]
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert all(row.endswith((". |", "? |")) for row in rows)


def test_every_setting_belongs_to_one_group() -> None:
    assert sorted(name for group in GROUPS for name in group.model_fields) == sorted(Settings.model_fields)


MODULE = r"`((?:convoy|convoy_training)(?:\.[a-z_0-9]+)+)`"
FILE = r"`([\w./-]+/[\w.-]*\.(?:py|md|yaml|yml|proto|sh|toml))`"
MADE_BY_COMMANDS = {"benchmarks/results/soak/soak.md"}
CODE = [path for room in ("services", "training") for path in (ROOT / room).rglob("*.py") if "_pb2" not in path.name]
FOLDERS = [ROOT / place for place in ("services/convoy", "training", "training/convoy_training", "docs", "proto")]


def named_things(text: str) -> set[str]:
    """Modules and files that a text names between backticks."""
    return {*re.findall(MODULE, text), *re.findall(FILE, text)}


def exists(name: str, beside: Path) -> bool:
    """Whether a module, a name in a module, or a file is there."""
    if "/" in name:
        return any((folder / name).exists() for folder in (ROOT, beside, *FOLDERS))
    path = name.replace(".", "/")
    return any(
        (ROOT / home / f"{part}{end}").exists()
        for home in ("services", "training")
        for part in (path, path.rpartition("/")[0])
        for end in (".py", "/__init__.py")
    )


@pytest.mark.parametrize("page", [*PAGES, *CODE], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_module_named_exists(page: Path) -> None:
    named = named_things(page.read_text()) - MADE_BY_COMMANDS
    assert {name for name in named if not exists(name, page.parent)} == set()
