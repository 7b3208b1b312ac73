"""What labelling tools write of their own is read as the tools mean it."""

import json
from pathlib import Path

import pytest
from convoy_training.data import archive, tools
from convoy_training.data.assembly import Pool, assemble
from convoy_training.data.reading import PLAIN, Division, Reading
from convoy_training.errors import LabelError
from convoy_training.tasks import detection

from tests.unit.training.test_forms import Files, picture
from tests.unit.training.test_labels import write

QUARTER = Reading(division=Division(val=0.25))
PICTURES: Files = {f"images/{name}.jpg": picture(shade) for name, shade in (("a", 90), ("b", 120))}


def labelme(name: str, **changes: object) -> str:
    rectangle = {"label": "car", "shape_type": "rectangle", "points": [[20, 5], [10, 25]]}  # any two corners
    circle = {"label": "wheel", "shape_type": "circle", "points": [[20, 15], [23, 19]]}
    polygon = {"label": "car", "shape_type": "polygon", "points": [[1, 2], [9, 3], [5, 11.5]]}
    document = {"imagePath": f"{name}.jpg", "imageWidth": 40, "imageHeight": 30, "imageData": None,
                "shapes": [rectangle, circle, polygon]}  # fmt: skip
    return json.dumps(document | changes)


def via(regions: object, name: str = "a.jpg") -> str:
    return json.dumps({f"{name}123": {"filename": name, "size": 123, "regions": regions, "file_attributes": {}}})


RECTANGLE = {"shape_attributes": {"name": "rect", "x": 10, "y": 5, "width": 10, "height": 20},
             "region_attributes": {"class": "car"}}  # fmt: skip
CIRCLE = {"shape_attributes": {"name": "circle", "cx": 20, "cy": 15, "r": 5}, "region_attributes": {"kind": "wheel"}}
POLYGON = {"shape_attributes": {"name": "polygon", "all_points_x": [1, 9, 5], "all_points_y": [2, 3, 11.5]},
           "region_attributes": {"class": "car"}}  # fmt: skip
CVAT = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
<image id="0" name="a.jpg" width="40" height="30">
 <box label="car" xtl="10" ytl="5" xbr="20" ybr="25" z_order="0"></box>
 <ellipse label="wheel" cx="20" cy="15" rx="5" ry="5"/>
 <polygon label="car" points="1,2;9,3;5,11.5"/><tag label="sunny"/>
</image><image id="1" name="b.jpg" width="40" height="30"/></annotations>"""

SHAPES = [  # in per cent of 40 x 30 pixels
    {"type": "rectanglelabels", "value": {"x": 25, "y": 50 / 3, "width": 25, "height": 200 / 3, "rotation": 0,
                                          "rectanglelabels": ["car"]}},
    {"type": "ellipselabels", "value": {"x": 50, "y": 50, "radiusX": 12.5, "radiusY": 50 / 3, "rotation": 90,
                                        "ellipselabels": ["wheel"]}},
    {"type": "polygonlabels", "value": {"points": [[2.5, 20 / 3], [22.5, 10], [12.5, 11.5 / 0.3]],
                                        "polygonlabels": ["car"]}},
    {"type": "choices", "value": {"choices": ["sunny"]}},
]  # fmt: skip
SHAPES = [{"original_width": 40, "original_height": 30, "image_rotation": 0} | shape for shape in SHAPES]


def label_studio(first: str, second: str) -> str:
    wrong = {"was_cancelled": True, "result": SHAPES[:1] * 3}
    later = {"was_cancelled": False, "ground_truth": False, "result": SHAPES[:1]}
    truth = {"was_cancelled": False, "ground_truth": True, "result": SHAPES}
    tasks = [{"id": 7, "annotations": [wrong, later, truth], "predictions": [], "data": {"image": first}},
             {"id": 8, "annotations": [], "data": {"note": "empty", "image": second}}]  # fmt: skip
    return json.dumps(tasks)


def label_studio_min() -> str:
    shapes = [{k: v for k, v in shape.items() if k != "value"} | shape["value"] for shape in SHAPES[:3]]
    return json.dumps([{"image": "/data/upload/1/0a1b2c3d-a.jpg", "id": 7, "label": shapes, "annotator": 1},
                       {"image": "/data/upload/1/0a1b2c3e-b.jpg", "id": 8, "annotator": 1}])  # fmt: skip


def load(root: Path, tool: str) -> dict[str, list[tuple[str, list[float]]]]:
    """The boxes by picture, without the division into splits."""
    archive.open_archive.cache_clear()
    files = archive.open_archive(str(root))
    listed = list(tools.READERS[tool](files))
    classes = tuple(sorted({row.label for entry in listed for row in entry.rows}))
    loaded = assemble(files, Pool(classes, listed), "train", PLAIN)
    rows = [(e.photo.name, zip(e.labels, e.boxes_xyxy.tolist(), strict=True)) for e in loaded.examples]
    return {name: [(classes[label], box) for label, box in boxes] for name, boxes in rows}


@pytest.mark.parametrize(
    ("tool", "files"),
    [
        ("labelme", {"images/a.json": labelme("a"), "images/b.json": labelme("b", shapes=[])}),
        ("labelme", {"labels/a.json": labelme("x\\..\\images\\a"), "labels/b.json": labelme("b", shapes=[])}),
        ("via", {"via.json": via([RECTANGLE, CIRCLE, POLYGON])[:-1] + "," + via([], "b.jpg")[1:]}),
        ("via", {"via.json": json.dumps({"_via_settings": {}, "_via_img_metadata": {
            **json.loads(via({"0": RECTANGLE, "1": CIRCLE, "2": POLYGON})), **json.loads(via({}, "b.jpg"))}})}),
        ("cvat", {"annotations.xml": CVAT}),
        ("label_studio", {"all.json": label_studio("/data/upload/1/0a1b2c3d-a.jpg", "/data/upload/1/0a1b2c3e-b.jpg")}),
        ("label_studio", {"all.json": label_studio("/data/local-files/?d=images%2Fa.jpg", "s3://bucket/images/b.jpg")}),
        ("label_studio", {"min.json": label_studio_min()}),
    ],
    ids=["labelme", "labelme elsewhere", "via", "via project", "cvat", "studio", "studio's places", "studio's min"],
)  # fmt: skip
def test_shapes_become_boxes(tool: str, files: Files, tmp_path: Path) -> None:
    write(tmp_path, PICTURES | files)
    found = load(tmp_path, tool)
    assert found["images/b.jpg"] == []
    wanted = [("car", [10, 5, 20, 25]), ("wheel", [15, 10, 25, 20]), ("car", [1, 2, 9, 11.5])]
    assert [label for label, _ in found["images/a.jpg"]] == [label for label, _ in wanted]
    for (_, box), (_, expected) in zip(found["images/a.jpg"], wanted, strict=True):
        assert box == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("tool", "files", "reason"),
    [
        ("labelme", {"images/a.json": labelme("a", imageWidth=60)}, "it states 60x30 pixels, the image has 40x30"),
        ("labelme", {"c.json": labelme("c")}, "the picture 'c.jpg' is not in the data"),
        ("labelme", {"images/a.json": labelme("a", shapes=[{"label": "car"}])}, "shape 0 has no label, or no points"),
        ("labelme", {"images/a.json": '{"shapes": ['}, "this is not JSON"),
        ("via", {"via.json": via([{**RECTANGLE, "region_attributes": {}}])}, "shape 0 has no label"),
        ("cvat", {"a.xml": "<annotations>\n<image"}, "this is not XML"),
        ("label_studio", {"a.json": label_studio("c.jpg", "b.jpg")}, "the picture 'c.jpg' is not in the data"),
    ],
)
def test_what_is_wrong_is_named(tool: str, files: Files, reason: str, tmp_path: Path) -> None:
    write(tmp_path, PICTURES | files)
    with pytest.raises(LabelError) as caught:
        load(tmp_path, tool)
    assert reason in str(caught.value)


def test_such_data_is_divided_by_the_recipe(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(8)]
    box = '<box label="car" xtl="10" ytl="5" xbr="20" ybr="25"/>'
    entries = "".join(f'<image name="{name}" width="40" height="30">{box}</image>' for name in names)
    write(tmp_path, {f"p/{name}": picture(20 * number) for number, name in enumerate(names)})
    archive.open_archive.cache_clear()
    with pytest.raises(LabelError, match="there is no file as cvat writes it"):
        tools.load_split(str(tmp_path), "train", "cvat", QUARTER)
    archive.open_archive.cache_clear()
    write(tmp_path, {"annotations.xml": f"<annotations>{entries}</annotations>"})
    train, held_out = (tools.load_split(str(tmp_path), split, "cvat", QUARTER) for split in ("train", "validation"))
    assert (len(train.examples), len(held_out.examples)) == (6, 2) and train.classes == ("car",)
    assert not {e.photo.name for e in train.examples} & {e.photo.name for e in held_out.examples}
    with pytest.raises(LabelError, match="cvat writes no training and validation split: add `split:"):
        tools.load_split(str(tmp_path), "train", "cvat")


def test_a_recipe_reads_such_data_as_any_other(tmp_path: Path) -> None:
    box = '<box label="car" xtl="10" ytl="5" xbr="20" ybr="25"/>'
    entries = "".join(f'<image name="{number}.jpg" width="40" height="30">{box}</image>' for number in range(8))
    write(tmp_path, {f"p/{number}.jpg": picture(20 * number) for number in range(8)})
    write(tmp_path, {"annotations.xml": f"<annotations>{entries}</annotations>"})
    archive.open_archive.cache_clear()
    fields = {
        "name": "cars", "task": "detection", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1},
        "data": {"path": str(tmp_path), "format": "cvat", "title": "cars", "split": {"val": 0.25}},
        "window": {"level": 40, "width": 400}, "widths": [8] * 5, "depths": [1] * 4, "head_width": 8, "plain_epochs": 0,
    }  # fmt: skip
    config = detection.Config(**fields)
    window = detection.load_split(config, "train").examples[0].photo.window
    assert window is not None and (window.level, window.width) == (40, 400)
    with pytest.raises(LabelError, match="has boxes and no masks"):
        detection.load_split(config.model_copy(update={"architecture": "yolo-masks"}), "train")
