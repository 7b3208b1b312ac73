"""Names of the version before keep working for one version, and say what to write instead."""

import subprocess
import sys

import convoy.client.fleet
import pytest
from convoy.fleet import Fleet, default_ports, free_ports


@pytest.mark.parametrize("home", [Fleet, default_ports, free_ports], ids=lambda home: home.__name__)
def test_the_fleet_is_found_under_its_old_name(home: object) -> None:
    with pytest.warns(DeprecationWarning, match="from convoy.fleet"):
        assert getattr(convoy.client.fleet, home.__name__) is home


def test_importing_from_the_old_name_warns_and_works() -> None:
    with pytest.warns(DeprecationWarning, match="import Fleet from convoy.fleet"):
        exec("from convoy.client.fleet import Fleet", found := {})
    assert found["Fleet"] is Fleet


def test_what_was_never_there_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = convoy.client.fleet.nothing


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("convoy.client", "convoy.cli", ["--version"]),
        ("convoy.client.probe", "convoy.fleet.health_check", ["faces", "1"]),
    ],
)
def test_the_old_commands_do_what_the_new_ones_do(old: str, new: str, words: list[str]) -> None:
    def run(module: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-W", "always", "-m", module, *words], capture_output=True, text=True)

    before, now = run(old), run(new)
    assert (before.returncode, before.stdout) == (now.returncode, now.stdout)
    assert f"use python -m {new}" in before.stderr and "Deprecation" not in now.stderr
