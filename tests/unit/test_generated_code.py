"""The committed code is what proto/ gives today."""

import os
import subprocess
import sys
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*_pb2*.py*")}


def test_regenerating_changes_nothing(root: Path, tmp_path: Path) -> None:
    environment = os.environ | {"VENV": sys.prefix}
    subprocess.run([root / "scripts" / "generate_protos.sh", tmp_path], check=True, env=environment)
    committed = contents(root / "services" / "convoy" / "v1")
    generated = contents(tmp_path / "convoy" / "v1")
    assert sorted(committed) == sorted(generated)
    assert [name for name in committed if committed[name] != generated[name]] == []


def test_a_link_to_each_proto_lies_beside_its_code(root: Path) -> None:
    protos = sorted(root.glob("proto/convoy/*/*.proto"))
    links = sorted(root.glob("services/convoy/*/*.proto"))
    assert [link.resolve() for link in links] == protos and all(link.is_symlink() for link in links)
