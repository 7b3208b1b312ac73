"""Turned looks: where a point goes, and that it comes back."""

import cv2
import numpy as np
import pytest
from convoy.core.manifest import InputSpec
from convoy.faces.turning import ANGLES, turn, turn_back

DYNAMIC = InputSpec(resize="letterbox", stride=32, long_side=640, pad_value=114)
FIXED = InputSpec(resize="letterbox", height=240, width=320, pad_value=114)


def draw_dot(width: int, height: int, x: int, y: int) -> np.ndarray:
    """A white dot about (x, y), where four pixels meet."""
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[y - 4 : y + 4, x - 4 : x + 4] = 255
    return canvas


def find_dot(canvas: np.ndarray) -> np.ndarray:
    """Where the dot's middle is, by its brightness, in continuous coordinates."""
    weight = np.where(canvas[..., 0] > 120, canvas[..., 0], 0).astype(float)
    rows, columns = np.indices(weight.shape)
    return np.array([(columns + 0.5).ravel() @ weight.ravel(), (rows + 0.5).ravel() @ weight.ravel()]) / weight.sum()


@pytest.mark.parametrize("degrees", ANGLES)
@pytest.mark.parametrize(("spec", "size"), [(DYNAMIC, (640, 480)), (DYNAMIC, (128, 96)), (FIXED, (320, 240))])
def test_what_is_seen_in_the_turned_canvas_lies_where_its_pixels_lay(
    spec: InputSpec, size: tuple[int, int], degrees: int
) -> None:
    width, height = size
    x, y = width // 2 + 20, height // 2 - 12
    turned, by = turn(draw_dot(width, height, x, y), degrees, spec)
    seen = find_dot(turned)
    assert by.back(seen.astype(np.float32)) == pytest.approx([x, y], abs=0.3)
    # The direction is counterclockwise: a dot to the right goes up.
    angle = np.degrees(np.arctan2(-(y - height / 2), x - width / 2)) + degrees
    offset = seen - np.array([turned.shape[1], turned.shape[0]]) / 2
    found = np.degrees(np.arctan2(-offset[1], offset[0]))
    assert (found - angle + 180) % 360 - 180 == pytest.approx(0, abs=2)


@pytest.mark.parametrize("degrees", ANGLES)
def test_a_turned_canvas_is_one_that_the_detector_takes(degrees: int) -> None:
    turned, _ = turn(np.zeros((480, 640, 3), np.uint8), degrees, DYNAMIC)
    assert all(side % 32 == 0 and side <= 640 for side in turned.shape[:2])
    assert turn(np.zeros((240, 320, 3), np.uint8), degrees, FIXED)[0].shape == (240, 320, 3)


@pytest.mark.parametrize("degrees", ANGLES)
def test_a_box_that_comes_back_holds_an_upright_ellipse_of_the_turned_canvas(degrees: int) -> None:
    """The ellipse is drawn in the turned canvas, turned back by OpenCV, and its edges are read off the pixels."""
    _, by = turn(np.zeros((480, 640, 3), np.uint8), degrees, DYNAMIC)
    box = np.array([[280, 200, 360, 320]], np.float32)
    seen = {"boxes": box, "scores": np.ones((1, 1)), "landmarks": np.zeros((1, 5, 2), np.float32)}
    drawn = np.zeros((640, 640), np.uint8)
    cv2.ellipse(drawn, (320, 260), (40, 60), 0, 0, 360, 255, -1)
    corners = np.array([[0, 0], [640, 0], [0, 640]], np.float32)
    back = cv2.warpAffine(drawn, cv2.getAffineTransform(corners, by.back(corners)), (900, 900))
    rows, columns = np.nonzero(back > 127)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert turn_back(seen, by)["boxes"][0] == pytest.approx(expected, abs=2.5)


def test_an_upright_look_is_left_as_it_is() -> None:
    outputs = {"boxes": np.ones((1, 4)), "scores": np.ones((1, 1)), "landmarks": np.ones((1, 5, 2))}
    _, by = turn(np.zeros((480, 640, 3), np.uint8), 90, DYNAMIC)
    assert turn_back(outputs, type(by)()) is outputs
