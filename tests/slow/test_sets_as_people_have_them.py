"""Sets of the shapes in which people have them: from the files to a model that answers, with at most two edits.

Each set is built here, wrong in the ways that such sets are. A recipe is copied from the documentation's smallest form;
`edits` are the fields that its first refusal, or the data's own description, makes necessary.
"""

import asyncio
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from convoy.client import AsyncConvoy
from convoy.client.answers.vision import Classification, Label
from convoy.core.manifest import load_manifest
from convoy.core.pictures.decoding import decode_image
from convoy_training.cli import app
from convoy_training.data import archive
from convoy_training.data.faults import collecting
from convoy_training.errors import TrainingError
from convoy_training.prediction.answering import Answer, open_answerer
from convoy_training.recipe_file import load_recipe
from PIL import Image
from typer.testing import CliRunner

from tests.serving import running

RANDOM = np.random.default_rng(0)


def photo(width: int = 96, height: int = 72) -> bytes:
    small = Image.fromarray(RANDOM.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    file = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def put(root: Path, name: str, content: bytes | str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)


def coco128(root: Path) -> None:
    """images/train2017 and labels/train2017 of 80 classes that no file names, two pictures without labels, no split."""
    put(root, "README.txt", "COCO128, a small set of tutorials")
    for number in range(128):
        put(root, f"images/train2017/{number:012}.jpg", photo())
        if number % 64:
            boxes = [f"{int(RANDOM.integers(80))} 0.5 0.5 0.4 0.3" for _ in range(3)]
            put(root, f"labels/train2017/{number:012}.txt", "\n".join(boxes) + "\n")


def roboflow(root: Path) -> None:
    """train, valid and test with images/ and labels/, a data.yaml whose paths lead elsewhere, polygons among boxes."""
    put(root, "README.roboflow.txt", "exported via roboflow.com")
    put(
        root,
        "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['cat', 'dog']\n",
    )
    for split, count in (("train", 12), ("valid", 4), ("test", 2)):
        for number in range(count):
            name = f"{number}_jpg.rf.{number:032x}"
            put(root, f"{split}/images/{name}.jpg", photo())
            shape = "0.2 0.2 0.6 0.2 0.6 0.7 0.2 0.6" if number % 3 == 0 else "0.5 0.5 0.4 0.4"
            put(root, f"{split}/labels/{name}.txt", f"{number % 2} {shape}\n")


def voc_with_wrong_sizes(root: Path) -> None:
    """JPEGImages, Annotations, ImageSets; some files state width and height exchanged, or 0."""
    names = [f"{number:06}" for number in range(16)]
    put(root, "ImageSets/Main/train.txt", "\n".join(names[:12]) + "\n")
    put(root, "ImageSets/Main/val.txt", "\n".join(names[12:]) + "\n")
    for number, name in enumerate(names):
        put(root, f"JPEGImages/{name}.jpg", photo())
        width, height = ((96, 72), (72, 96), (0, 0))[number % 3]
        put(root, f"Annotations/{name}.xml",
            f"<annotation><filename>{name}.jpg</filename><size><width>{width}</width><height>{height}</height>"
            f"<depth>3</depth></size><object><name>{'ab'[number % 2]}</name><bndbox><xmin>10</xmin><ymin>10</ymin>"
            f"<xmax>60</xmax><ymax>50</ymax></bndbox></object></annotation>")  # fmt: skip


def hymenoptera(root: Path) -> None:
    """train and val with ants and bees, and a GIF of which half is missing under the name of a JPEG."""
    for split, count in (("train", 8), ("val", 4)):
        for label in ("ants", "bees"):
            for number in range(count):
                put(root, f"{split}/{label}/{number}.jpg", photo())
    put(root, "train/ants/imageNotFound.gif.jpg", photo()[:700])


def human_masks(root: Path) -> None:
    """290 pictures with masks of people, of which 110 are in colours."""
    pairs = []
    for number in range(290):
        mask = np.zeros((72, 96), np.uint8)
        mask[20:50, 30:60] = 1
        image = Image.fromarray(np.dstack([mask * 90, mask, mask * 7]) if number < 110 else mask)
        file = io.BytesIO()
        image.save(file, "PNG")
        put(root, f"images/{number}.jpg", photo())
        put(root, f"masks/{number}.png", file.getvalue())
        pairs.append(f"images/{number}.jpg masks/{number}.png")
    put(root, "classes.txt", "background\nperson\n")
    put(root, "train.txt", "\n".join(pairs[::2]) + "\n")
    put(root, "val.txt", "\n".join(pairs[1::2]) + "\n")


def many_lines(root: Path) -> None:
    """COCO JSON of 160,000 boxes, a few of them without area, over 400 pictures."""
    for split, count, boxes in (("train", 360, 144_000), ("val", 40, 16_000)):
        images = [{"id": n, "file_name": f"{n}.jpg", "width": 96, "height": 72} for n in range(count)]
        places = RANDOM.uniform(0, 40, (boxes, 2)).round(2).tolist()
        annotations = [
            {"id": n, "image_id": n % count, "category_id": n % 7 + 1, "bbox": [*at, 0 if n % 999 == 0 else 9, 9]}
            for n, at in enumerate(places)
        ]
        categories = [{"id": n + 1, "name": f"kind {n}"} for n in range(7)]
        document = {"images": images, "annotations": annotations, "categories": categories}
        put(root, f"annotations/{split}.json", json.dumps(document))
        for n in range(count):
            put(root, f"{split}/{n}.jpg", photo())


LOW = 1e-4
"""A score that objects reach even if the network has hardly learnt, so that there is something to compare."""

DETECTION: dict[str, Any] = {"task": "detection", "input_size": 64, "widths": [4, 8, 8, 8, 8]}
SETS: dict[str, tuple[Callable[[Path], None], dict[str, Any], str, list[str], bool]] = {
    # how it is built, the recipe, what its first refusal says, the edits, whether it is trained and published too
    "coco128": (coco128, DETECTION | {"data": {"format": "yolo"}}, "no file names the classes",
                ["data.split.val=0.1", f"data.classes={json.dumps([f'thing {n}' for n in range(80)])}"], True),
    "roboflow": (roboflow, DETECTION | {"data": {"format": "yolo"}}, "", [], True),
    "voc": (voc_with_wrong_sizes, DETECTION | {"data": {"format": "voc"}}, "", [], False),
    "hymenoptera": (
        hymenoptera, {"task": "classification", "architecture": "lenet", "input_size": 32,
                      "data": {"format": "image_folder"}},
        "imageNotFound", ["data.on_error=skip"], True),
    "human masks": (
        human_masks, {"task": "segmentation", "widths": [4, 6, 8], "depths": [1, 1], "crop": [32, 32], "long_side": 96,
                      "data": {}},
        "mask holds colours", ["data.on_error=skip"], True),
    "160,000 lines": (many_lines, DETECTION | {"data": {"format": "coco"}}, "", [], False),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_set_trains_after_at_most_two_edits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build, fields, refusal, edits, is_published = SETS[name]
    monkeypatch.chdir(tmp_path)
    archive.open_archive.cache_clear()
    build(tmp_path / "set")
    data = {"path": "set", "title": name} | fields["data"]
    shared = {"name": "own", "epochs": 1, "batch_size": 4, "optimizer": {"lr": 0.01}, "loggers": ["csv"]}
    Path("own.yaml").write_text(yaml.safe_dump(shared | fields | {"data": data}))
    assert len(edits) <= 2
    if refusal:
        task, config = load_recipe(Path("own.yaml"))
        with pytest.raises(TrainingError, match=refusal):
            task.build_data(config)
    if not is_published:
        task, config = load_recipe(Path("own.yaml"), edits)
        with collecting() as found:
            assert len(task.build_data(config).train) > 2
        assert not found.faults and found.notes
        return
    options = [word for edit in edits for word in ("--set", edit)]
    run("fit", "own.yaml", "--run", "run", "--accelerator", "cpu", *options)
    run("export", "run")
    model = Path("exported_models/own/1")
    assert load_manifest(model).metrics
    pictures = [file.read_bytes() for file in sorted(Path("set").rglob("[0-9]*.jpg"))[-3:]]
    for picture, served in zip(pictures, asyncio.run(ask(fields["task"], pictures)), strict=True):
        check_answer(served, open_answerer(model, LOW).answer(decode_image(picture)))


async def ask(service: Any, pictures: list[bytes]) -> list[Any]:
    """What the service answers that serves the published model."""
    async with (
        running(service, Path("exported_models"), **{f"{service}_model": "own"}) as served,
        AsyncConvoy(**{service: f"127.0.0.1:{served.server.port}"}) as convoy,
    ):
        ways: dict[str, Any] = {
            "classification": convoy.classify, "segmentation": convoy.segment,
            "detection": partial(convoy.detect, detection_threshold=LOW),
        }  # fmt: skip
        return [await ways[service](picture) for picture in pictures]


def check_answer(served: Any, expected: Answer) -> None:
    """Holds a served answer against what the published graph says when it is asked directly."""
    assert served.model.name == "own" and expected.found
    if expected.mask is not None:
        np.testing.assert_array_equal(served.mask, expected.mask)
        return
    rows = served.labels if isinstance(served, Classification) else served.detections
    assert [row.label for row in rows] == [one.label for one in expected.found]
    scores = [row.probability if isinstance(row, Label) else row.score for row in rows]
    np.testing.assert_allclose(scores, [one.score for one in expected.found], atol=1e-5)
    for row, one in zip(rows, expected.found, strict=True):
        if one.box_xyxy:
            box = row.box
            np.testing.assert_allclose([box.x_min, box.y_min, box.x_max, box.y_max], one.box_xyxy, atol=0.01)


def run(*words: str) -> None:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
