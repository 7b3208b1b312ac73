"""A small foreign classifier, published on loopback."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from convoy.catalogue.catalogue import Catalogue
from convoy.catalogue.entry import Entry

from tests import foreign_models
from tests.file_server import Files, serve_files

MakeEntry = Callable[..., Entry]
LABELS = ("cat", "dog", "bird", "fish")


@pytest.fixture
def files() -> Iterator[Files]:
    with serve_files() as served:
        yield served


@pytest.fixture
def network(tmp_path: Path) -> bytes:
    return foreign_models.classifier(4, softmax=True).save(tmp_path / "made.onnx").read_bytes()


@pytest.fixture
def make_entry(network: bytes) -> MakeEntry:
    """An entry of the classifier; facts of its parts are said as `licences={…}`, `file={…}` and so on."""

    def make(*addresses: str, **facts: Any) -> Entry:
        fields: dict[str, Any] = {
            "name": "pets",
            "task": "classification",
            "title": "Four kinds of pets",
            "accuracy": "not stated",
            "source": "https://example.org/pets",
            "labels": LABELS,
            "options": {"adapter": "softmax", "preprocess": "zero-one"},
            "licences": {"code": "MIT", "weights": "MIT", "data": "made up", "permissive": True},
            "file": {
                "name": "pets.onnx",
                "sha256": hashlib.sha256(network).hexdigest(),
                "bytes": len(network),
                "addresses": addresses or ("https://example.invalid/pets.onnx",),
            },
        }
        for name, value in facts.items():
            fields[name] = fields[name] | value if isinstance(fields.get(name), dict) else value
        return Entry.model_validate(fields)

    return make


@pytest.fixture
def empty() -> Catalogue:
    return Catalogue({}, {})
