"""The page on the architecture names every folder of the code, and CONTRIBUTING only files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("base", ["services/convoy", "training/convoy_training"])
def test_every_folder_has_a_line_and_every_line_a_folder(base: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    (table,) = re.findall(rf"\| folder of `{base}` \|.*\n\|---\|---\|\n((?:\|.*\n)+)", page)
    named = re.findall(r"^\| `([\w/]+)` \| .+ \|$", table, re.MULTILINE)
    holding = {path.parent for path in (ROOT / base).rglob("*") if path.is_file() and path.suffix != ".pyc"}
    there = {str(folder.relative_to(ROOT / base)) for folder in holding} - {"."}
    assert sorted(named) == sorted(there)


def test_contributing_names_places_that_are_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| .+ \| (.+) \|$", page[page.index("| change |") :], re.MULTILINE)
    paths = [path for row in rows for path in re.findall(r"`([\w/.-]+)`", row) if "/" in path or path.endswith(".md")]
    assert len(rows) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
