"""The committed code is what proto/ gives today."""

import os
import subprocess
import sys
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for pattern in ("*_pb2*.py*", "*.proto") for file in folder.glob(pattern)}


def test_regenerating_changes_nothing(root: Path, tmp_path: Path) -> None:
    environment = os.environ | {"VENV": sys.prefix}
    subprocess.run([root / "scripts" / "generate_protos.sh", tmp_path], check=True, env=environment)
    committed = contents(root / "services" / "convoy" / "v1")
    generated = contents(tmp_path / "convoy" / "v1")
    assert sorted(committed) == sorted(generated)
    assert [name for name in committed if committed[name] != generated[name]] == []
