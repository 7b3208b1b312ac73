"""A release adds its pages to the site, and those of the version before stay."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.needs import ROOT

PERSON = {f"GIT_{who}_{what}": "release@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def test_the_site_keeps_the_pages_of_each_version(tmp_path: Path) -> None:
    clone = tmp_path / "clone"

    def run(*words: str) -> str:
        environment = os.environ | PERSON | {"NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(words, cwd=clone, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", str(clone)], check=True)
    mike = (str(Path(sys.executable).with_name("mike")),)
    run(*mike, "deploy", "--update-aliases", "1.0.0", "latest")
    index = clone / "docs" / "index.md"
    index.write_text(index.read_text() + "\n\nOnly the second version says this.\n")
    run(*mike, "deploy", "--update-aliases", "1.1.0", "latest")
    told = {one["version"]: one["aliases"] for one in json.loads(run("git", "show", "gh-pages:versions.json"))}
    assert told == {"1.0.0": [], "1.1.0": ["latest"]}
    assert run("git", "show", "gh-pages:latest") == "1.1.0"  # a link
    pages = {place: run("git", "show", f"gh-pages:{place}/index.html") for place in told}
    says = {place: "Only the second version says this." in page for place, page in pages.items()}
    assert says == {"1.0.0": False, "1.1.0": True}
