"""Probabilities to labels."""

from collections.abc import Callable

import numpy as np
import pytest
from convoy.classification.task import Label, Options, interpret, prepare
from convoy.core.manifest import Manifest, Task
from convoy.core.pictures.decoding import Picture


@pytest.fixture
def manifest(manifest_of: Callable[..., Manifest]) -> Manifest:
    return manifest_of(Task.CLASSIFICATION, ["ant", "bee", "cat", "dog"])


def row(*probabilities: float) -> dict[str, np.ndarray]:
    return {"probabilities": np.array(probabilities, np.float32)}


def test_labels_come_best_first_with_index_and_probability(manifest: Manifest) -> None:
    labels = interpret(row(0.125, 0.5, 0.25, 0.0625), manifest)
    assert labels[:2] == [Label(1, "bee", 0.5), Label(2, "cat", 0.25)]
    assert [label.name for label in labels] == ["bee", "cat", "ant", "dog"]


def test_ties_go_to_the_lower_index(manifest: Manifest) -> None:
    assert [label.index for label in interpret(row(0.25, 0.25, 0.25, 0.25), manifest)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (Options(top_k=1), ["bee"]),
        (Options(top_k=99), ["bee", "cat", "ant", "dog"]),
        (Options(min_probability=0.25), ["bee", "cat"]),  # The bound itself counts.
        (Options(top_k=1, min_probability=0.75), []),
    ],
)
def test_options_choose(manifest: Manifest, options: Options, names: list[str]) -> None:
    found = interpret(row(0.125, 0.5, 0.25, 0.0625), manifest, options)
    assert [label.name for label in found] == names


def test_half_precision_is_taken(manifest: Manifest) -> None:
    outputs = {"probabilities": np.array([0.1, 0.2, 0.3, 0.4], np.float16)}
    assert interpret(outputs, manifest)[0].name == "dog"


def test_a_picture_is_brought_to_the_size_of_the_graph(manifest: Manifest) -> None:
    pixels, placement = prepare(Picture(np.zeros((50, 200, 3), np.uint8), 200, 50), manifest)
    assert pixels.shape == (100, 100, 3) and pixels.dtype == np.uint8
    assert (placement.width, placement.height) == (100, 25)
