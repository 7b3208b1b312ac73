"""Where data lies: the layouts of other tools, one folder to divide, packs from macOS, names in old encodings."""

import io
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from convoy_training.data import image_folder, masks
from convoy_training.data.archive import open_archive
from convoy_training.data.division import divide
from convoy_training.data.reading import Division, Reading
from convoy_training.data.roboflow_masks import FILE
from convoy_training.errors import LabelError

from tests.unit.training.test_forms import Files, picture, voc_xml
from tests.unit.training.test_labels import png, write
from tests.unit.training.test_odd_data import BOX, listing, load

DIAGONAL = png(np.eye(30, 40, dtype=np.uint8))


def folder(root: Path, *splits: str, names: tuple[str, ...] = ("ant", "bee"), count: int = 6) -> Path:
    shade = 0
    for split in splits:
        for name in names:
            for number in range(count):
                shade += 1
                write(root, {f"{split}/{name}/{number}.png".lstrip("/"): picture(shade, "PNG")})
    return root


@pytest.mark.parametrize("word", ["val", "valid", "validation"])
def test_a_validation_folder_has_many_names(word: str, tmp_path: Path) -> None:
    folder(tmp_path, "train", word, count=2)
    assert len(image_folder.load_split(str(tmp_path), "validation", 16).labels) == 4


def test_one_folder_is_divided(tmp_path: Path) -> None:
    how = Reading(division=Division(val=0.34))
    root = str(folder(tmp_path, ""))
    train, held_out = (image_folder.load_split(root, split, 16, how) for split in ("train", "validation"))
    assert np.bincount(train.labels).tolist() == [4, 4] and np.bincount(held_out.labels).tolist() == [2, 2]
    names = [{photo.name for photo in split.images.photos} for split in (train, held_out)]
    assert not names[0] & names[1]
    other = image_folder.load_split(root, "validation", 16, Reading(division=Division(val=0.34, seed=1)))
    assert {photo.name for photo in other.images.photos} != names[1]
    seen = [
        photo.name
        for fold in range(3)
        for photo in image_folder.load_split(
            root, "validation", 16, Reading(division=Division(folds=3, fold=fold))
        ).images.photos
    ]
    assert len(seen) == len(set(seen)) == 12


def test_what_belongs_together_stays_together() -> None:
    names = [f"film{film}_{frame}.jpg" for film in range(10) for frame in range(5)]
    chosen = divide(names, [""] * 50, Division(val=0.2, group_by=r"^(film\d+)_"))
    assert sum(chosen) == 10 and len({name[:5] for name, held_out in zip(names, chosen, strict=True) if held_out}) == 2
    with pytest.raises(LabelError, match="one of the two splits would be empty: 50 pictures in 1 groups"):
        divide(names, [""] * 50, Division(group_by="folder"))


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("coco", {"{split}/_annotations.coco.json": listing([BOX]), "{split}/1.jpg": b""}),
        ("voc", {"{split}/1.xml": voc_xml("car"), "{split}/1.jpg": b""}),
        ("yolo", {"classes.txt": "car", "{split}/images/1.jpg": b"", "{split}/labels/1.txt": "0 .5 .5 .1 .1"}),
    ],
)
def test_roboflows_exports_are_read(form: str, files: dict[str, str | bytes], tmp_path: Path) -> None:
    whole: Files = {}
    for shade, split in enumerate(("train", "valid")):
        whole |= {name.format(split=split): data or picture(9 * shade) for name, data in files.items()}
    for split in ("train", "validation"):
        loaded, _ = load(form, tmp_path, whole, split=split)
        assert [example.labels.tolist() for example in loaded.examples] == [[0]] and loaded.classes == ("car",)


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("yolo", {"obj.names": "car", "obj_train_data/{n}.jpg": b"", "obj_train_data/{n}.txt": "0 .5 .5 .1 .1"}),
        ("yolo", {"classes.txt": "car", "notes.json": "{}", "images/{n}.jpg": b"", "labels/{n}.txt": "0 .5 .5 .1 .1"}),
        ("voc", {"images/{n}.jpg": b"", "annotations/{n}.xml": voc_xml("car")}),
        (
            "masks",
            {"classes.txt": "bg\ncar", "images/{n}.jpg": b"", "masks/{n}.png": png(np.eye(30, 40, dtype=np.uint8))},
        ),
    ],
    ids=["cvat", "label-studio", "voc without lists", "masks without lists"],
)
def test_a_folder_without_splits_is_divided(form: str, files: dict[str, str | bytes], tmp_path: Path) -> None:
    whole: Files = {name.format(n=n): data or picture(9 * n) for n in range(10) for name, data in files.items()}
    how = Reading(division=Division(val=0.2))
    sizes = [len(load(form, tmp_path, whole, how, split)[0].examples) for split in ("train", "validation")]
    assert sizes == [8, 2]


def test_one_coco_list_is_divided_as_cvat_and_label_studio_write_it(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(10)]
    text = listing([{**BOX, "image_id": n} for n in range(10)], images=images)
    files: Files = {
        "annotations/instances_default.json": text,
        **{f"images/{n}.jpg": picture(9 * n) for n in range(10)},
    }
    split, _ = load("coco", tmp_path, files, Reading(division=Division(val=0.3)), "validation")
    assert len(split.examples) == 3


@pytest.mark.parametrize("pack", ["zip", "tar", "tar with dots"])
def test_a_pack_from_macos_is_read_without_its_hidden_files(pack: str, tmp_path: Path) -> None:
    root = folder(tmp_path / "set", "train", "val", count=1)
    hidden = {"__MACOSX/set/train/ant/._0.png": b"x", "set/.DS_Store": b"x", "set/train/ant/._0.png": b"x"}
    files = {f"set/{path.relative_to(root)}": path.read_bytes() for path in sorted(root.rglob("*.png"))} | hidden
    if pack == "zip":
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(tmp_path / "set.tar", "w") as tar:
            for name, data in files.items():
                entry = tarfile.TarInfo(f"./{name}" if "dots" in pack else name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    opened = open_archive(str(tmp_path / f"set.{pack[:3]}"))
    assert sorted(opened.files) == ["train/ant/0.png", "train/bee/0.png", "val/ant/0.png", "val/bee/0.png"]


def test_names_in_latin_1_and_in_parts_are_read(tmp_path: Path) -> None:
    for split, shade in (("train", 1), ("val", 5)):
        for place, name in enumerate((b"K\xe4fer", unicodedata.normalize("NFD", "Möwe").encode())):
            here = tmp_path.joinpath(split).__fspath__().encode() + b"/" + name
            Path(here.decode("utf-8", "surrogateescape")).mkdir(parents=True)
            Path((here + b"/1.png").decode("utf-8", "surrogateescape")).write_bytes(picture(shade + place, "PNG"))
    split = image_folder.load_split(str(tmp_path), "train", 16)
    assert split.classes == ("Käfer", "Möwe") and split.labels.tolist() == [0, 1]
    assert len(open_archive(str(tmp_path)).digest) == 64


def test_a_wrong_layout_shows_what_is_there_and_what_should_be(tmp_path: Path) -> None:
    folder(tmp_path, "", count=2)
    with pytest.raises(LabelError, match="train: it needs at least two classes") as caught:
        image_folder.load_split(str(tmp_path), "train", 16)
    found, _, expected = caught.value.detail.partition("expected:")
    assert "2 folders of pictures lie beside each other: if they are the classes, add `split: {val: 0.1}`" in str(
        caught.value
    )
    assert "ant/  2 .png" in found and "train/<class>/*.jpg" in expected and "`split`" in expected


def test_a_file_that_changes_is_named_and_a_touched_one_is_not(tmp_path: Path) -> None:
    folder(tmp_path, "train", count=2)
    opened = open_archive(str(tmp_path))
    assert opened.find_change() is None
    (tmp_path / "train/ant/0.png").touch()
    assert opened.find_change() is None
    (tmp_path / "train/bee/1.png").write_bytes(picture(77, "PNG"))
    assert opened.find_change() == "train/bee/1.png"
    (tmp_path / "train/ant/1.png").unlink()
    assert opened.find_change() == "train/ant/1.png"


def test_roboflows_masks_are_read(tmp_path: Path) -> None:
    mask = cv2.imencode(".png", np.repeat([[0, 2], [1, 1]], 15, 0).repeat(20, 1).astype(np.uint8))[1].tobytes()
    listing = "Pixel Value, Class\n0, background\n1, red cell\n2, void\n"
    files: Files = {f"{split}/{FILE}": listing for split in ("train", "valid")}
    for split, names in (("train", "ab"), ("valid", "c")):
        for name in names:
            files |= {f"{split}/{name}.jpg": picture(ord(name)), f"{split}/{name}_mask.png": mask}
    write(tmp_path, files)
    train, held_out = (masks.load_split(str(tmp_path), split) for split in ("train", "validation"))
    assert (len(train.examples), len(held_out.examples)) == (2, 1) and train.classes == ("background", "red cell")
    assert train.pixels.tolist() == [600, 1200] and train.ignored == 600
    write(tmp_path / "other", {**files, "train/d.jpg": picture(3)})
    with pytest.raises(LabelError, match=r"train/d\.jpg: train/d_mask\.png does not exist"):
        masks.load_split(str(tmp_path / "other"), "train")
