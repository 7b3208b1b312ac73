"""`convoy-train data` shows what was understood, and everything that is wrong, before a step is made."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from convoy_training.cli import app
from convoy_training.data import archive, masks, yolo
from typer.testing import CliRunner

from tests.unit.training.test_forms import Files, picture
from tests.unit.training.test_labels import write
from tests.unit.training.test_odd_data import mask_set


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for function in (archive.open_archive, yolo.load_split, masks.load_split):
        function.cache_clear()


def noise(seed: int, scale: int = 1) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(small, (40 * scale, 30 * scale), interpolation=cv2.INTER_CUBIC)


def encode(image: np.ndarray, form: str = ".png") -> bytes:
    return cv2.imencode(form, image)[1].tobytes()


def detection(**files: str | bytes) -> Path:
    whole: Files = {"classes.txt": "car\nbus\nrare\n"}
    for number in range(4):
        whole[f"images/train/{number}.png"] = encode(noise(number))
        whole[f"labels/train/{number}.txt"] = f"{number % 2} .5 .5 .2 .2\n0 .2 .2 .1 .{number + 1}"
    whole |= {"images/val/9.png": encode(noise(9)), "labels/val/9.txt": "0 .5 .5 .2 .2"}
    write(Path("set"), whole | {name.replace("__", "/"): content for name, content in files.items()})
    fields = {"task": "detection", "name": "t", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 0.1},
              "input_size": 64, "data": {"format": "yolo", "path": "set", "title": "cars"}}  # fmt: skip
    Path("r.yaml").write_text(yaml.safe_dump(fields))
    return Path("r.yaml")


def run(*words: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def test_counts_are_shown_before_a_step_is_made() -> None:
    detection(**{"images/train/empty.png": encode(noise(7))})
    shown = run("data", "r.yaml").stdout.splitlines()
    assert shown[0].startswith("data: cars, SHA-256 ")
    assert shown[1] == "  train: 5 pictures, 8 boxes, 1 pictures without a box, 40x30"
    assert shown[2] == "  validation: 1 pictures, 1 boxes, 0 pictures without a box, 40x30"
    assert [line.split() for line in shown[3:7]] == [
        ["boxes", "of", "train", "validation"], ["car", "6", "1"], ["bus", "2", "none"], ["rare", "none", "none"]
    ]  # fmt: skip
    assert "    set: class 'rare' has no box in the training split: it is never found" in shown
    assert "  note: 1 x picture without label file" in shown


BAD = {
    "images/train/broken.png": b"\x89PNG\r\n\x1a\n no picture",
    "labels/train/broken.txt": "0 .5 .5 .2 .2",
    "labels/train/0.txt": "0 .5 .5 .2 .2\n7 .5 .5 .1 .1\n0 .9 .5 .9 .1\n0 x",
    "labels/train/lost.txt": "0 .5 .5 .2 .2",
    "images/val/copy.png": encode(noise(1)),
    "images/val/scaled.jpg": encode(noise(2, scale=3), ".jpg"),
}


def test_all_faults_are_shown_at_once_with_file_line_reason_and_a_count_by_kind() -> None:
    detection(**BAD)
    done = run("data", "r.yaml", "--json", code=1)
    facts = json.loads(done.stdout)
    assert facts["faults"]["by_kind"] == {
        "missing picture": 1, "unknown class": 1, "line unreadable": 1, "broken picture": 1,
    }  # fmt: skip
    told = [f"{fault['file']}:{fault['line']} {fault['reason'][:30]}" for fault in facts["faults"]["all"]]
    assert "labels/train/0.txt:2 class 7 is not one of 0 to 2" in told
    assert "labels/train/0.txt:4 expected 'class x y width heig" in told
    notes = [f"{note['file']}: {note['reason']}" for note in facts["notes"]["all"]]
    assert "images/val/copy.png: it is the training picture images/train/1.png, byte for byte" in notes
    assert "images/val/scaled.jpg: it looks like the training picture images/train/2.png" in notes
    assert facts["splits"]["train"]["pictures"] == 3 and "4 faults: mend them" in done.stderr
    text = run("data", "r.yaml", code=1).stdout
    assert "  wrong: 1 x broken picture\n    images/train/broken.png: the image cannot be decoded" in text


def test_faults_are_left_out_counted_and_listed_where_the_recipe_says_so() -> None:
    detection(**BAD)
    text = run("data", "r.yaml", "--set", "data.on_error=skip").stdout
    assert "  left out: 1 x unknown class" in text and "  train: 3 pictures" in text


def test_the_page_draws_labels_with_the_rarest_classes_first() -> None:
    detection()
    run("data", "r.yaml", "--report", "data.html")
    page = Path("data.html").read_text()
    places = [page.index(text) for text in ("bus: images/train/1.png", "car: images/train/0.png", "smallest and the")]
    assert places == sorted(places) and page.count("data:image/jpeg;base64,") >= 7 and "boxes of" in page


def test_masks_and_classes_are_drawn_too() -> None:
    write(Path("set"), mask_set((1,), (1, 9), (1,)))
    fields = {"task": "segmentation", "name": "t", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 0.1},
              "long_side": 64, "crop": [32, 32], "data": {"path": "set", "title": "cells"}}  # fmt: skip
    Path("r.yaml").write_text(yaml.safe_dump(fields))
    done = run("data", "r.yaml", "--report", "data.html", code=1)
    assert "1.png: the mask has class id 9, but classes.txt ends at 1" in done.stdout
    assert "fg: 0.jpg" in Path("data.html").read_text()


def test_fit_shows_the_data_first_and_refuses_what_is_wrong() -> None:
    fields = {"task": "classification", "name": "t", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1},
              "architecture": "lenet", "input_size": 32, "mirror_average": False,
              "data": {"format": "image_folder", "path": "set", "title": "things"}}  # fmt: skip
    Path("r.yaml").write_text(yaml.safe_dump(fields))
    names = [f"{split}/{name}/{n}.png" for split in ("train", "val") for name in "ab" for n in range(2)]
    write(Path("set"), {name: picture(9 * n, "PNG") for n, name in enumerate(names)})
    done = run("fit", "r.yaml", "--run", "run", "--accelerator", "cpu")
    first, second = done.stdout.splitlines()[:2]
    assert first.startswith("data: things") and second == "  train: 4 pictures, 40x30, all grey"
    assert done.stdout.index("train: 4 pictures") < done.stdout.index("epoch 1/1 loss")
