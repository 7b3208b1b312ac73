"""Wrong label files are refused with file, line and reason."""

import numpy as np
import pytest
from convoy_training.data import masks, voc
from convoy_training.errors import LabelError

CLASSES = ("RBC", "WBC")


def annotation(name: str = "RBC", box: tuple[object, ...] = (1, 1, 10, 20)) -> bytes:
    sides = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=False))
    good = (
        "<object>\n<name>WBC</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>7</xmax><ymax>8</ymax></bndbox></object>"
    )
    return (
        f"<annotation>\n{good}\n<object>\n<name>{name}</name><bndbox>{sides}</bndbox></object>\n</annotation>".encode()
    )


def parse(xml: bytes) -> tuple[np.ndarray, np.ndarray]:
    return voc.parse_boxes(xml, "a.xml", CLASSES, size=(30, 40))


def test_boxes_are_read_as_pixel_edges() -> None:
    boxes, labels = parse(annotation())
    assert boxes.tolist() == [[4, 5, 7, 8], [0, 0, 10, 20]] and labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (annotation(name="cat"), "a.xml:4: class 'cat' is not one of RBC, WBC"),
        (annotation(box=(5, 5, 5, 9)), "a.xml:4: the box 5,5,5,9 has no area"),
        (annotation(box=(5, 5, 41, 9)), "a.xml:4: the box 5,5,41,9 leaves the image 40x30"),
        (annotation(box=(-3, 5, 7, 9)), "leaves the image"),
        (annotation(box=(5, "nan", 7, 9)), "has no area"),
        (annotation(box=(5, "x", 7, 9)), "a coordinate of bndbox is missing or no number"),
        (annotation(box=(5, 5, 7)), "a coordinate of bndbox is missing or no number"),
        (b"<annotation>\n<object>", "a.xml:2: this is not XML"),
    ],
)
def test_a_wrong_annotation_is_refused(xml: bytes, reason: str) -> None:
    with pytest.raises(LabelError) as caught:
        parse(xml)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [("a.jpg", "expected 'image mask'"), ("a.jpg gone.png", "gone.png does not exist")],
)
def test_a_wrong_list_of_masks_is_refused(line: str, reason: str) -> None:
    with pytest.raises(LabelError) as caught:
        masks.parse_listing(f"a.jpg a.png\n{line}\n", "train.txt", {"a.jpg", "a.png"})
    assert str(caught.value).startswith("train.txt:2: ") and reason in str(caught.value)


def test_a_mask_must_fit_its_image_and_its_classes() -> None:
    masks.check_mask(np.full((4, 6), masks.IGNORE, np.uint8), (4, 6), 11, "m.png")
    with pytest.raises(LabelError, match=r"m\.png: the mask is \(4, 5\)"):
        masks.check_mask(np.zeros((4, 5), np.uint8), (4, 6), 11, "m.png")
    with pytest.raises(LabelError, match=r"m\.png: class id 12"):
        masks.check_mask(np.full((4, 6), 12, np.uint8), (4, 6), 11, "m.png")
