"""Pictures of answers: what is drawn where, and that nothing else of the picture changes."""

import numpy as np
import pytest
from convoy.client import drawing
from convoy.client.answers.common import Box, Model, Size
from convoy.client.answers.vision import Classification, Detection, Detections, Label, Region, Segmentation
from convoy.core.errors import InvalidArgument

MODEL = Model("rule", "1")
SIZE = Size(400, 300)


def black(width=400, height=300):
    return np.zeros((height, width, 3), np.uint8)


def test_a_box_is_drawn_in_the_colour_of_its_class_and_the_picture_is_not_changed():
    picture = black()
    box = Detection(Box(100, 100, 300, 200), 3, "cell", 0.5)
    drawn = drawing.draw_detections(picture, Detections((box,), SIZE, MODEL))
    assert not picture.any()
    assert np.allclose(drawn[200, 250], drawing.colour_of(3), atol=30)
    assert not drawn[110:190, 110:290].any()
    assert not drawn[210:, :].any()


def test_tags_stay_inside_the_picture():
    corner = Detection(Box(380, 0, 400, 20), 0, "a label that is long", 0.5)
    drawn = drawing.draw_detections(black(), Detections((corner,), SIZE, MODEL))
    assert drawn[:40, 150:380].any()


def test_a_mask_colours_only_its_pixels_and_keeps_the_picture_visible():
    mask = np.zeros((300, 400), np.uint8)
    mask[:, 200:] = 1
    white = np.full((300, 400, 3), 255, np.uint8)
    answer = Segmentation(mask, (Region(0, "sky", 0.5), Region(1, "tree", 0.5)), SIZE, MODEL)
    drawn = drawing.draw_segmentation(white, answer, opacity=0.5)
    for column, index in ((150, 0), (350, 1)):
        expected = (255 + np.array(drawing.colour_of(index), float)) / 2
        assert np.allclose(drawn[290, column], expected, atol=1)


@pytest.mark.parametrize("size", [(32, 32), (64, 400), (5000, 3000)])
def test_any_size_can_be_drawn_on(size):
    picture = black(*size)
    drawn = drawing.draw_classification(picture, Classification((Label(0, "cat", 0.9),), Size(*size), MODEL))
    assert drawn.shape == picture.shape
    assert drawn.any()


def test_names_may_have_letters_of_any_alphabet():
    shapes = {drawing.write_caption(black(200, 20), text).tobytes() for text in ("Zoë", "Zo?", "Жанна", "?????")}
    assert len(shapes) == 4


def test_neighbouring_classes_differ_in_colour():
    colours = np.array([drawing.colour_of(index) for index in range(12)], int)
    assert np.abs(colours[1:] - colours[:-1]).sum(axis=1).min() > 100


def test_pictures_are_written_and_read_again(tmp_path):
    picture = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
    drawing.write_picture(tmp_path / "new" / "a.png", picture)
    assert np.array_equal(drawing.read_picture(tmp_path / "new" / "a.png"), picture)
    with pytest.raises(InvalidArgument, match="no name for a picture"):
        drawing.write_picture(tmp_path / "a.nonsense", picture)
