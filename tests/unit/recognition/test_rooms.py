"""The maps of recognition's rooms name every file, and no file that is gone."""

import ast
import re
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[3] / "services" / "convoy" / "recognition"
MAPPED = [ROOM, *(ROOM / name for name in ("domain", "search", "store", "use_cases"))]


@pytest.mark.parametrize("room", MAPPED, ids=lambda room: room.name)
def test_a_map_names_every_file_of_its_room(room: Path) -> None:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    named = re.findall(r"^(\w+(?:\.py|/)) ", text, re.MULTILINE)
    files = {path.name for path in room.glob("*.py") if not path.name.startswith("__")}
    folders = {f"{path.parent.name}/" for path in room.glob("*/__init__.py")}
    assert sorted(named) == sorted(files | folders)


def test_every_large_room_has_a_map() -> None:
    rooms = {path.parent for path in ROOM.rglob("*.py")}
    assert {room for room in rooms if len(list(room.glob("*.py"))) > 9} <= set(MAPPED)
