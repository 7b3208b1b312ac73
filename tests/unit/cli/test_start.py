"""`convoy` builds only the command that is asked for; help and misspelt names know them all."""

from copy import copy

import pytest
import typer
from convoy.cli.__main__ import keep_only_asked
from convoy.cli.app import app


def kept(*words: str) -> tuple[int, list[str | None]]:
    """How many commands are left, and which groups."""
    one = copy(app)
    keep_only_asked(one, words)
    return len(one.registered_commands), [group.name for group in one.registered_groups]


ALL = len(app.registered_commands), [group.name for group in app.registered_groups]


@pytest.mark.parametrize("words", [("classify", "a.jpg"), ("--fleet", "person", "classify-signal", "a.npy")])
def test_a_command_is_built_alone(words: tuple[str, ...]) -> None:
    assert kept(*words) == (1, [])


def test_a_group_is_built_alone() -> None:
    assert kept("gallery", "list", "--json") == (0, ["gallery"])


@pytest.mark.parametrize("words", [(), ("--help",), ("clasify",), ("--fleet", "classify"), ("--version",)])
def test_what_names_no_command_keeps_them_all(words: tuple[str, ...]) -> None:
    assert kept(*words) == ALL


def test_every_command_is_found_by_its_name() -> None:
    names = typer.main.get_command(app).commands.keys()  # type: ignore[attr-defined]
    assert {name for name in names if kept(name) == ALL} == set()
