"""Habits of the house that no linter knows."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "services" / "convoy"
SOURCES = [path for path in SERVICES.rglob("*.py") if "_pb2" not in path.name]
VAGUE = {"utils", "util", "helpers", "helper", "misc", "manager", "managers"}


def project(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


def test_nothing_that_serves_imports_torch() -> None:
    program = """
import importlib, pkgutil, sys, convoy
names = [module.name for module in pkgutil.walk_packages(convoy.__path__, "convoy.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
assert len(names) > 30, names
print([name for name in ("torch", "lightning", "convoy_training") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_torch_is_no_dependency_of_the_services() -> None:
    assert [
        name for name in project("services")["dependencies"] if re.match(r"torch|lightning|onnx\b(?!r)", name)
    ] == []


def imported(folder: Path) -> set[str]:
    """Packages from elsewhere that the code under a folder imports."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"convoy", "convoy_training"}


@pytest.mark.parametrize("folder", ["services", "training", "benchmarks", "scripts"])
def test_nothing_but_tests_imports_tests(folder: str) -> None:
    assert "tests" not in imported(ROOT / folder)


def canonical(requirement: str) -> str:
    """The name of a distribution, as pip compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>\[;~! ]", requirement)[0]).lower()


@pytest.mark.parametrize("folder", ["services", "training"])
def test_every_import_is_a_declared_dependency(folder: str) -> None:
    extras = project(folder).get("optional-dependencies", {}).values()
    declared = {canonical(name) for names in [project(folder)["dependencies"], *extras] for name in names}
    owners = packages_distributions()
    undeclared = [
        name
        for name in imported(ROOT / folder)
        # What is not installed here goes by its own name.
        if declared.isdisjoint(canonical(owner) for owner in owners.get(name, [name]))
    ]
    assert undeclared == []


def test_settings_are_the_only_reader_of_the_environment() -> None:
    not_readers = {"__init__.py": "turns telemetry off", "fleet/process.py": "hands it on to the services"}
    not_readers |= {"core/settings.py": "reads it", "core/client_settings.py": "reads what clients need"}
    not_readers["cli/__main__.py"] = "looks whether the shell asks what the next word may be"
    not_readers["cli/app.py"] = "looks whether there is anything that may be misspelt"
    touching = {str(path.relative_to(SERVICES)) for path in SOURCES if "os.environ" in path.read_text()}
    assert touching - set(not_readers) == set()
    assert [path for path in SOURCES if "getenv" in path.read_text()] == []


def test_onnx_runtime_does_not_call_home() -> None:
    program = "import os, convoy.core.models.engine; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_modules_are_nouns_that_say_something() -> None:
    folders = ("services/convoy", "training/convoy_training", "tests", "scripts")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in paths if VAGUE & {path.stem, path.parent.name}] == []


def test_both_distributions_have_one_version() -> None:
    assert project("services")["version"] == project("training")["version"]


def raised_reasons() -> Iterator[tuple[str, str]]:
    """Every (class of error, reason) that the services name in a call of an error's constructor."""
    module = ast.parse((SERVICES / "core" / "errors.py").read_text())
    errors = {node.name for node in module.body if isinstance(node, ast.ClassDef)}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                error = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if error in errors:
                    yield error, str(node.args[0].value)


def status(error: str) -> str:
    """InvalidArgument -> INVALID_ARGUMENT."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error).upper()


def documented_reasons() -> set[tuple[str, str]]:
    """Every (status, reason) of the page on errors."""
    page = (ROOT / "docs" / "errors.md").read_text()
    return set(re.findall(r"^\| ([A-Z_]+) \| `([A-Z_]+)` \|", page, re.MULTILINE))


def test_the_page_on_errors_names_every_reason() -> None:
    raised = {(status(error), reason) for error, reason in raised_reasons()}
    assert raised - documented_reasons() == set()


def test_the_page_on_errors_names_no_reason_that_is_gone() -> None:
    code = "\n".join(path.read_text() for path in [*SOURCES, *(ROOT / "proto" / "convoy").rglob("*.proto")])
    assert {reason for _, reason in documented_reasons() if reason not in code} == set()


def test_the_page_on_errors_names_every_reason_of_the_api() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    comments = "\n".join(path.read_text() for path in (ROOT / "proto" / "convoy").rglob("*.proto"))
    named = {
        name for group in re.findall(r"\(([A-Z][A-Z_, /]+[A-Z])\)", comments) for name in re.split(r"[,\s/]+", group)
    }
    assert {name for name in named if "_" in name} - set(re.findall(r"`([A-Z_]+)`", page)) == set()


ROOMS = [
    folder
    for base in ("services/convoy", "training/convoy_training", "benchmarks")
    for folder in sorted({path.parent for path in (ROOT / base).rglob("*.py") if path.parent.name != "v1"})
    if len([path for path in folder.glob("*.py") if not path.name.startswith("__")]) > 8
]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_of_more_than_eight_files_has_a_map_that_names_each(room: Path) -> None:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    named = re.findall(r"\b(\w+\.py)\b", text)
    there = {path.name for path in room.glob("*.py") if not path.name.startswith("__")}
    assert there - set(named) == set()
    assert [name for name in named if not (room / name).exists()] == []


def test_there_are_such_rooms() -> None:
    assert len(ROOMS) > 10
