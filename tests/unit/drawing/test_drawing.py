"""Pictures of answers: what is drawn where, and that nothing else of the picture changes."""

from itertools import combinations

import numpy as np
import pytest
from convoy.client.answers.common import Box, Model, Size
from convoy.client.answers.vision import Classification, Detection, Detections, Label, Region, Segmentation
from convoy.core.errors import InvalidArgument
from convoy.drawing import drawing
from convoy.drawing.caption_layout import caption_height, caption_padding, place_captions, shorten
from convoy.drawing.picture_files import read_picture, write_picture
from convoy.drawing.text import add_title_below

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


def test_captions_stay_inside_the_picture():
    corner = Detection(Box(380, 0, 400, 20), 0, "a label that is long", 0.5)
    drawn = drawing.draw_detections(black(), Detections((corner,), SIZE, MODEL))
    assert drawn[:40, 150:380].any()


def rectangle(caption):
    width = 6 * len(caption.text) + 2 * caption_padding(caption.size)
    return caption.left, caption.top, caption.left + width, caption.top + caption_height(caption.size)


def shared(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    return max(0, width) * max(0, min(one[3], other[3]) - max(one[1], other[1]))


def test_captions_of_a_crowd_hide_neither_each_other_nor_faces_nor_leave_the_picture():
    boxes = np.array([(x, y, x + 40, y + 50) for y in (60, 160) for x in range(10, 560, 90)], float)
    texts = ["quality 0.5", "somebody whose name is long"] * 7
    placed = place_captions(boxes, texts, (600, 300), 20, lambda text, size: 6 * len(text))
    spots = [rectangle(caption) for caption in placed]
    assert all(left >= 0 and top >= 0 and right <= 600 and bottom <= 300 for left, top, right, bottom in spots)
    assert not any(shared(one, other) for one, other in combinations(spots, 2))
    assert not any(shared(one, box) > 200 for at, one in enumerate(spots) for b, box in enumerate(boxes) if at != b)


def test_what_has_no_room_is_numbered_and_told_below_the_picture():
    boxes = tuple(Detection(Box(x, 2, x + 30, 98), 1, "a label that is long", 0.5) for x in range(0, 160, 32))
    drawn = drawing.draw_detections(black(160, 100), Detections(boxes, Size(160, 100), MODEL))
    assert drawn.shape[0] > 100 and drawn.shape[1] == 160
    assert np.allclose(drawn[100:, -2], drawing.colour_of(1))


def test_a_number_stands_in_its_own_box():
    boxes = np.array([(x, 2, x + 30, 98) for x in range(0, 160, 32)], float)
    placed = place_captions(boxes, ["a label that is long"] * 5, (160, 100), 20, lambda text, size: 6 * len(text))
    numbered = [(box, caption) for box, caption in zip(boxes, placed, strict=True) if caption.number is not None]
    assert numbered
    assert [(caption.left, caption.top) for _, caption in numbered] == [(box[0], box[1]) for box, _ in numbered]


def test_a_long_text_is_shortened_to_the_picture():
    wide = drawing.draw_detections(
        black(100, 300), Detections((Detection(Box(0, 100, 90, 190), 0, "x" * 300, 1.0),), SIZE, MODEL)
    )
    assert wide.shape == (300, 100, 3)
    assert shorten("abcdef", 4, len) == "abc…"


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
    shapes = {add_title_below(black(200, 20), text).tobytes() for text in ("Zoë", "Zo?", "Жанна", "?????")}
    assert len(shapes) == 4


def test_neighbouring_classes_differ_in_colour():
    colours = np.array([drawing.colour_of(index) for index in range(12)], int)
    assert np.abs(colours[1:] - colours[:-1]).sum(axis=1).min() > 100


def test_pictures_are_written_and_read_again(tmp_path):
    picture = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
    write_picture(tmp_path / "new" / "a.png", picture)
    assert np.array_equal(read_picture(tmp_path / "new" / "a.png"), picture)
    with pytest.raises(InvalidArgument, match="does not end like a picture"):
        write_picture(tmp_path / "a.nonsense", picture)
    with pytest.raises(InvalidArgument, match="class numbers"):
        write_picture(tmp_path / "mask.jpg", picture[..., 0])
    assert not (tmp_path / "mask.jpg").exists()
