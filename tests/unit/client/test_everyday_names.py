"""Everyday names come from `convoy`, and importing it imports no client."""

import subprocess
import sys

import convoy
import pytest


@pytest.mark.parametrize("name", convoy.__all__)
def test_a_name_is_the_one_of_its_home(name: str) -> None:
    assert getattr(convoy, name).__name__ == name


def test_the_package_alone_imports_neither_grpc_nor_numpy() -> None:
    code = "import sys, convoy; print(sorted({'grpc', 'numpy', 'convoy.client'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="'convoy' has no attribute 'Detector'"):
        _ = convoy.Detector  # type: ignore[attr-defined]
