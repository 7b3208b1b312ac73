"""The highest values as Triton writes them: "value:index:label"."""

import numpy as np
from convoy.core.serving.top_classes import top_classes


def test_the_example_of_the_protocol() -> None:
    # https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
    found = top_classes(np.array([[1, 5, 10, 4]], np.int32), 2, [])
    assert found.tolist() == [[b"10:2", b"5:1"]]
    labelled = top_classes(np.array([[1, 5, 10, 4]], np.int32), 2, ["fig", "pickle", "apple", "nut"])
    assert labelled.tolist() == [[b"10:2:apple", b"5:1:pickle"]]


def test_floats_have_six_decimals_and_each_picture_its_own_row() -> None:
    found = top_classes(np.array([[0.25, 0.75], [1.0, 0.0]], np.float32), 1, ["a", "b"])
    assert found.tolist() == [[b"0.750000:1:b"], [b"1.000000:0:a"]]


def test_more_classes_than_there_are_give_all_and_equal_values_keep_their_order() -> None:
    found = top_classes(np.array([[7, 9, 7, 9]], np.uint8), 99, [])
    assert found.tolist() == [[b"9:1", b"9:3", b"7:0", b"7:2"]]


def test_labels_of_something_else_are_not_given() -> None:
    assert top_classes(np.array([[1.0, 2.0, 3.0]]), 1, ["face"]).tolist() == [[b"3.000000:2"]]
