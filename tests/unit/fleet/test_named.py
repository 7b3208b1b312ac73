"""A fleet is found by its name as long as it runs, and a name that none has is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from convoy.cli.app import app
from convoy.core.errors import AlreadyExists, InvalidArgument, NotFound
from convoy.fleet import default_ports, named
from convoy.fleet.ports import free_range
from typer.testing import CliRunner

ADDRESSES = {service: f"127.0.0.1:{port}" for service, port in default_ports(41_000).items()}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_fleet_is_found_while_it_runs() -> None:
    with named.noted("lab", ADDRESSES):
        assert named.running() == {"lab": ADDRESSES}
        assert named.variables("lab")["CONVOY_FACES_ADDRESS"] == ADDRESSES["faces"]
        with pytest.raises(AlreadyExists, match="runs already"):
            named.check_free("lab")
    named.check_free("lab")
    with pytest.raises(NotFound, match="none runs"):
        named.variables("lab")


def test_a_note_whose_process_has_ended_or_that_is_spoilt_counts_for_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with named.noted("lab", ADDRESSES):
        path = named.notes_folder() / "lab.json"
        for note in (
            json.dumps({"process": ended.pid, "addresses": ADDRESSES}),
            "{",
            "[]",
            '{"process": "x"}',
            f'{{"process": {1 << 70}}}',
        ):
            path.write_text(note)
            assert named.running() == {}


def test_the_note_of_another_fleet_that_began_at_the_same_moment_stays() -> None:
    path = named.notes_folder() / "lab.json"
    with named.noted("lab", ADDRESSES):
        path.write_text(json.dumps({"process": os.getppid(), "addresses": ADDRESSES}))
    assert named.running() == {"lab": ADDRESSES}


@pytest.mark.parametrize("name", ["", "..", "a/b", "Lab", "a" * 33])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        named.check_free(name)


def test_the_command_asks_the_named_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = {service: f"127.0.0.1:{free_range(1)}" for service in ADDRESSES}
    for variable in named.as_variables(dead):
        monkeypatch.setenv(variable, "127.0.0.1:1")
    with named.noted("lab", dead):
        done = CliRunner().invoke(app, ["--fleet", "lab", "health", "--json"])
        assert {one["address"] for one in json.loads(done.stdout).values()} == set(dead.values())
    assert os.environ["CONVOY_FACES_ADDRESS"] == dead["faces"]
    done = CliRunner().invoke(app, ["--fleet", "lab", "health"])
    assert done.exit_code == 2 and "no fleet named 'lab' runs here" in done.stderr
