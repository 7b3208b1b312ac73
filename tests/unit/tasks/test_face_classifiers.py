"""Classifiers of faces: what they are shown, and what is read from their answers."""

from collections.abc import Callable

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import InputSpec, Manifest, Task
from convoy.core.pictures.decoding import Picture
from convoy.faces.classifiers import check_classifier, cut_square, prepare, read_attribute, read_liveness
from convoy.faces.task import DetectedFace

LABELS = ["print", "live", "replay"]


@pytest.fixture
def manifest(manifest_of: Callable[..., Manifest]) -> Manifest:
    made = manifest_of(Task.CLASSIFICATION, LABELS)
    return made.model_copy(update={"input": InputSpec(height=8, width=8, resize="stretch", face_crop=2.0)})


def picture(width: int = 100, height: int = 80) -> Picture:
    """Each pixel tells its column (red) and its row (green)."""
    rows, columns = np.indices((height, width))
    return Picture(np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8), width, height)


def face(*box: float) -> DetectedFace:
    return DetectedFace(np.array(box, np.float32), np.zeros((5, 2), np.float32), 0.9)


def corners(square: np.ndarray) -> list[list[int]]:
    return [square[0, 0, :2].tolist(), square[-1, -1, :2].tolist()]


def test_the_square_is_so_many_times_the_longer_side_about_the_face() -> None:
    square = cut_square(picture(), face(45, 30, 55, 50), 2.0)
    assert square.shape == (40, 40, 3) and corners(square) == [[30, 20], [69, 59]]


def test_at_the_edge_the_square_moves_inwards() -> None:
    square = cut_square(picture(), face(2, 60, 12, 80), 2.0)
    assert corners(square) == [[0, 40], [39, 79]]


def test_a_square_larger_than_the_picture_goes_on_as_its_edge() -> None:
    square = cut_square(picture(), face(20, 20, 60, 60), 2.5)
    assert square.shape == (100, 100, 3)
    assert corners(square) == [[0, 0], [99, 79]]
    assert (square[:10, 50, 1] == 0).all() and (square[-10:, 50, 1] == 79).all()


def test_boxes_count_in_the_picture_that_was_sent() -> None:
    whole = picture()
    reduced = Picture(whole.image_rgb, 200, 160)
    square = cut_square(reduced, face(90, 60, 110, 100), 2.0)
    assert corners(square) == [[30, 20], [69, 59]]


def test_the_input_has_the_networks_size(manifest: Manifest) -> None:
    assert prepare(picture(), face(45, 30, 55, 50), manifest).shape == (8, 8, 3)


def test_liveness_is_the_mean_over_the_networks(manifest: Manifest) -> None:
    one, two = {"probabilities": np.array([0.1, 0.8, 0.1])}, {"probabilities": np.array([0.4, 0.2, 0.4])}
    assert read_liveness([(one, manifest)], "live") == pytest.approx(0.8)
    assert read_liveness([(one, manifest), (two, manifest)], "live") == pytest.approx(0.5)


def test_an_attribute_is_the_most_probable_label(manifest: Manifest) -> None:
    attribute = read_attribute({"probabilities": np.array([0.1, 0.2, 0.7], np.float32)}, manifest)
    assert (attribute.label, round(attribute.score, 3)) == ("replay", 0.7)


def test_a_model_that_does_not_serve_is_refused_with_what_to_do(manifest: Manifest) -> None:
    check_classifier(manifest, "live")
    with pytest.raises(FailedPrecondition, match="only print, live, replay: set CONVOY_FACE_LIVENESS_LABEL"):
        check_classifier(manifest, "real")
    whole = manifest.model_copy(update={"input": InputSpec(height=8, width=8, resize="stretch")})
    with pytest.raises(FailedPrecondition, match="--face-crop"):
        check_classifier(whole, None)
