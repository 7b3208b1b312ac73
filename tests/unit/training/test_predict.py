"""`convoy-train predict` writes what a service would answer, and never over something else."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from convoy.core.manifest import Task
from convoy.testing.tiny_models import write_model
from convoy_training.cli import app
from convoy_training.cli.app import main
from convoy_training.errors import RecipeError
from PIL import Image
from pycocotools.coco import COCO
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture = np.full((100, 200, 3), 120, np.uint8)
    picture[20:60, 50:90] = 255
    save("pictures/a.png", picture)
    save("pictures/deep/b.png", np.full((100, 200, 3), (0, 0, 200), np.uint8))  # BGR: red
    save("pictures/.hidden/c.png", picture)
    Path("pictures/notes.txt").write_text("no picture")


def save(name: str, image: np.ndarray) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())


def run(*words: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def read_rows() -> list[dict[str, str]]:
    return list(csv.DictReader(Path("out/predictions.csv").read_text("utf-8").splitlines()))


def test_boxes_are_written_as_tables_as_coco_and_drawn() -> None:
    model = write_model(Path("models"), "finder", Task.DETECTION)
    run("predict", model, "pictures", "--out", "out")
    (row,) = [row for row in read_rows() if row["label"] == "bright"]
    assert row["picture"] == "a.png" and float(row["score"]) == pytest.approx(0.9, abs=1e-6)
    edges = [float(row[name]) for name in ("x_min", "y_min", "x_max", "y_max")]
    assert edges == pytest.approx([50, 20, 90, 60], abs=8)  # the tiny model's input is coarser than the picture
    coco = COCO("out/coco.json")
    assert [coco.imgs[i]["file_name"] for i in coco.getImgIds()] == ["a.png", "deep/b.png"]
    (bright,) = coco.loadAnns(coco.getAnnIds(imgIds=[1], catIds=coco.getCatIds(catNms=["bright"])))
    assert bright["bbox"][2] == pytest.approx(edges[2] - edges[0], abs=0.02) and bright["score"] == float(row["score"])
    drawn = cv2.imread("out/drawn/a.jpg")
    assert drawn.shape[1] == 200 and not np.array_equal(drawn[:100], cv2.imread("pictures/a.png"))
    assert sorted(path.name for path in Path("out/drawn").rglob("*.jpg")) == ["a.jpg", "b.jpg"]


def test_labels_are_written_best_first() -> None:
    run("predict", write_model(Path("models"), "namer", Task.CLASSIFICATION), "pictures", "--out", "out", "--no-drawn")
    first = json.loads(Path("out/predictions.json").read_text())["pictures"][1]
    assert first["picture"] == "deep/b.png" and (first["width"], first["height"]) == (200, 100)
    assert first["found"][0] == {"label": "red", "score": pytest.approx(1, abs=1e-6)}
    assert not Path("out/drawn").exists()


def test_masks_have_the_pictures_size_and_hold_class_ids() -> None:
    run("predict", write_model(Path("models"), "painter", Task.SEGMENTATION), "pictures", "--out", "out")
    with Image.open("out/masks/a.png") as image:
        mask = np.array(image)
    assert mask.shape == (100, 200) and mask[40, 70] == 1 and mask[90, 10] == 0
    shares = {row["label"]: float(row["score"]) for row in read_rows() if row["picture"] == "a.png"}
    assert shares["bright"] == pytest.approx((mask == 1).mean(), abs=1e-6)


def test_answers_are_written_over_only_if_you_say_so(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    model = write_model(Path("models"), "namer", Task.CLASSIFICATION)
    Path("out").mkdir()
    Path("out/mine.txt").write_text("kept")
    monkeypatch.setattr("sys.argv", ["convoy-train", "predict", str(model), "pictures", "--out", "out"])
    with pytest.raises(SystemExit):
        main()
    assert "it is not empty; choose another folder, or write over it with --force" in capsys.readouterr().err
    assert [path.name for path in Path("out").iterdir()] == ["mine.txt"]
    run("predict", model, "pictures", "--out", "out", "--force")
    assert Path("out/mine.txt").read_text() == "kept" and len(read_rows()) == 6
    monkeypatch.setattr("sys.argv", ["convoy-train", "predict", str(model), "pictures", "--out", "pictures", "--force"])
    with pytest.raises(SystemExit):
        main()
    assert "the pictures lie in it" in capsys.readouterr().err


def test_a_picture_that_cannot_be_read_is_told_of_and_the_others_are_answered() -> None:
    Path("pictures/bad.jpg").write_bytes(b"no picture")
    save("pictures/a.jpg", np.zeros((40, 40, 3), np.uint8))
    done = run("predict", write_model(Path("models"), "namer", Task.CLASSIFICATION), "pictures", "--out", "out", code=1)
    assert "not read: bad.jpg: the bytes are not a JPEG" in done.stderr
    (broken,) = [row for row in read_rows() if row["problem"]]
    assert broken["picture"] == "bad.jpg" and {row["picture"] for row in read_rows()} >= {"a.png", "a.jpg"}
    assert sorted(path.name for path in Path("out/drawn").glob("*.jpg")) == ["a.jpg.jpg", "a.png.jpg"]


def test_made_pictures_are_written_and_stand_beside_what_they_were_made_of() -> None:
    model = write_model(Path("models"), "kernels-sharpen", Task.PICTURE_TO_PICTURE)
    run("predict", model, "pictures", "--out", "out")
    made, before = cv2.imread("out/made/a.png"), cv2.imread("pictures/a.png")
    assert made.shape == before.shape and Path("out/made/deep/b.png").exists()
    assert cv2.imread("out/drawn/a.jpg").shape == (100, 400, 3)
    assert {row["picture"] for row in read_rows()} == {"a.png", "deep/b.png"}
    with pytest.raises(RecipeError, match="takes no masks: leave --masks out"):
        run("predict", model, "pictures", "--out", "other", "--masks", "pictures")
