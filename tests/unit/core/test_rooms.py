"""The maps of core's rooms name every file, and no file that is gone."""

import ast
import re
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[3] / "services" / "convoy" / "core"
MAPPED = [ROOM, ROOM / "models", ROOM / "serving"]


@pytest.mark.parametrize("room", MAPPED, ids=lambda room: room.name)
def test_a_map_names_every_file_of_its_room(room: Path) -> None:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    named = re.findall(r"^(\w+(?:\.py|/)) ", text, re.MULTILINE)
    files = {path.name for path in room.glob("*.py") if not path.name.startswith("__")}
    folders = {f"{path.parent.name}/" for path in room.glob("*/__init__.py")}
    assert sorted(named) == sorted(files | folders)
