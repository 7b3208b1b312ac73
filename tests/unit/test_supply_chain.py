"""What the image is made of is written down, and an audit that could not ask does not say that all is well."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts import supply_chain

ROOT = Path(__file__).resolve().parents[2]
LOCKED = dict(line.split("==") for line in supply_chain.CONSTRAINTS.read_text().split())


def test_the_lock_names_every_package_of_the_image_as_installed_here() -> None:
    assert supply_chain.lock() == supply_chain.CONSTRAINTS.read_text(), "stale: run make proto"


def test_the_lock_agrees_with_the_dependencies_and_the_image_is_built_by_it() -> None:
    wanted = tomllib.loads((ROOT / "services" / "pyproject.toml").read_text())["project"]["dependencies"]
    for line in wanted:
        name, version = re.sub(r"\[.*\]", "", line).split("==")
        assert LOCKED[name] == version
    dockerfile = (ROOT / "services" / "Dockerfile").read_text()
    assert dockerfile.count("-r /build/requirements.txt") == dockerfile.count("-c /build/constraints.txt") == 2


def test_the_sbom_lists_them_all() -> None:
    components = json.loads(supply_chain.write_sbom().read_text())["components"]
    assert {(one["name"], one["version"]) for one in components} == set(LOCKED.items())
    assert all(one["purl"].startswith("pkg:pypi/") for one in components)


@pytest.mark.parametrize(
    ("report", "required", "code", "words"),
    [
        (None, "", 0, "NOT AUDITED"),
        (None, "1", 1, "NOT AUDITED"),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, "1", 0, "no known vulnerability in 1"),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, "", 0, "NOT AUDITED: .* 1 of 1 packages: a"),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, "1", 1, "NOT AUDITED"),
        (
            {
                "dependencies": [
                    {"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]},
                    {"name": "b", "skip_reason": "-"},
                ]
            },
            "",
            1,
            r"VULNERABLE: a 1 \(CVE-1\)",
        ),
    ],
)
def test_what_an_audit_says(
    report: dict[str, Any] | None, required: str, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_AUDIT", required)
    assert supply_chain.judge(report)[0] == code
    assert re.match(words, supply_chain.judge(report)[1])
