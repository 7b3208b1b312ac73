"""The pages that the site takes from the code leave nothing out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from click import Command, Group
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.v1 import (
    classification_pb2,
    detection_pb2,
    faces_pb2,
    imaging_pb2,
    models_pb2,
    recognition_pb2,
    segmentation_pb2,
)

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    classification_pb2,
    detection_pb2,
    faces_pb2,
    imaging_pb2,
    models_pb2,
    recognition_pb2,
    segmentation_pb2,
)


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "site"))


def named(page: str, heading: str) -> set[str]:
    return {line.removeprefix(heading).strip("` ") for line in page.splitlines() if line.startswith(heading)}


def test_every_call_message_and_field_has_its_place() -> None:
    from grpc_page import write_rpcs

    page = write_rpcs(ROOT)
    headings = named(page, "### ")
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            assert service.name in named(page, "## ")
            assert {method.name for method in service.methods} <= headings
        for message in file.DESCRIPTOR.message_types_by_name.values():
            assert message.name in headings
            assert all(f"| `{field.name}` = {field.number} |" in page for field in message.fields)
    assert "| `top_k` = 3 | `uint32` | How many labels each result has, best first; 0 means 5. |" in page


def test_every_method_of_the_client_has_its_place() -> None:
    from client_page import write_client

    page = write_client()
    assert named(page, "### ") == {name for name in dir(Convoy) if not name.startswith("_")}
    assert "convoy.delete_gallery(gallery: str)" in page


def leaves(command: Command, name: str) -> Iterator[str]:
    if isinstance(command, Group):
        for word, inner in command.commands.items():
            if not inner.hidden:
                yield from leaves(inner, f"{name} {word}")
    else:
        yield name


def test_every_command_has_its_place() -> None:
    from command_page import write_commands

    page = write_commands()
    missing = [name for name in leaves(typer.main.get_command(app), "convoy") if f" `{name}`\n" not in page]
    assert missing == []
    assert "convoy-train fit" in page
