"""The generated pages are what settings and manifests say today, and no page names a variable that is none."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from convoy.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*compose*.y*ml"), ROOT / "services" / "Dockerfile"]
VARIABLES = {f"CONVOY_{name.upper()}" for name in Settings.model_fields}
OF_TESTS = {"CONVOY_DATA", "CONVOY_FOREIGN_MODELS", "CONVOY_REQUIRE_ALL"}


def test_generated_pages_are_fresh(root: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, root / "scripts" / "generate_pages.py", tmp_path], check=True)
    for page in ("docs/configuration.md", ".env.example", "README.md"):
        assert (tmp_path / page).read_text() == (root / page).read_text(), f"{page} is stale: run make proto"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bCONVOY_[A-Z0-9_]*[A-Z0-9]\b", page.read_text()))
    assert named <= VARIABLES | OF_TESTS
