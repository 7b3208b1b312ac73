"""Manifests to interpret outputs with: no graph, no server."""

from collections.abc import Callable

import pytest
from convoy.core.manifest import Export, InputSpec, Manifest, Task, Thresholds, Training

SQUARE = InputSpec(height=100, width=100, resize="letterbox")


@pytest.fixture
def manifest_of() -> Callable[..., Manifest]:
    """A manifest for a task with these facts."""

    def make(task: Task, labels: list[str], thresholds: Thresholds | None = None, **facts: object) -> Manifest:
        return Manifest.model_validate(
            {
                "name": "net",
                "version": "1",
                "task": task,
                "architecture": "none",
                "sha256": "0" * 64,
                "input": SQUARE,
                "labels": labels,
                "thresholds": thresholds or Thresholds(),
                "licence": "none",
                "training": Training(recipe="none", command="none", data=[], data_terms="none"),
                "export": Export(opset=21),
                **facts,
            }
        )

    return make
