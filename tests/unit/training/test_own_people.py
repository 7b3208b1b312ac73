"""An embedder of your own people: people named in the pairs are held out, all others are trained on."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from convoy.core.manifest import load_manifest
from convoy_training.cli import app
from convoy_training.data import own_people
from convoy_training.data.exclusions import read_exclusions
from convoy_training.data.identities import EVERYTHING, Selection
from convoy_training.errors import LabelError
from convoy_training.metrics import false_match
from convoy_training.publishing import calibrate
from convoy_training.recipe_file import load_recipe
from typer.testing import CliRunner

DETECTOR = Path("exported_models/face-detector-nano/1")
PEOPLE = [f"person {letter}" for letter in "abcdefgh"]
HELD_OUT = PEOPLE[:3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight people with four faces each, cut already, and pairs of the first three."""
    random = np.random.default_rng(0)
    for person in PEOPLE:
        (tmp_path / "people" / person).mkdir(parents=True)
        face = random.integers(0, 256, (7, 7, 3), np.uint8)
        for number in range(4):
            picture = cv2.resize(face, (112, 112)) // 2 + random.integers(0, 64, (112, 112, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "people" / person / f"{number}.png"), picture)
    a, b, c = (name.replace(" ", "_") for name in HELD_OUT)
    for name in HELD_OUT:
        (tmp_path / "people" / name).rename(tmp_path / "people" / name.replace(" ", "_"))
    same = [f"{name}/{i}.png {name}/{j}.png 1" for name in (a, b, c) for i in range(4) for j in range(4) if i != j]
    different = [
        f"{one}/{i}.png {other}/{j}.png 0" for one, other in ((a, b), (b, c)) for i in range(4) for j in range(4)
    ]
    (tmp_path / "pairs.txt").write_text("\n".join(same + different))
    return tmp_path


def test_who_is_named_in_the_pairs_is_held_out(folder: Path) -> None:
    trained = own_people.load_people(folder / "people", folder / "pairs.txt", DETECTOR, 14)
    assert trained.people == tuple(f"own/{person}" for person in PEOPLE[3:])
    assert trained.crops.shape == (20, 140, 140, 3)
    assert np.array_equal(trained.crops[:, 14], trained.crops[:, 0])
    faces, pairs = own_people.load_held_out(folder / "pairs.txt", folder / "people", DETECTOR)
    assert faces.crops.shape == (12, 112, 112, 3) and len(pairs.same) == 68 and pairs.same.sum() == 36
    lines = (folder / "pairs.txt").read_text().splitlines()
    (folder / "pairs.txt").write_text("\n".join(lines[:46]))
    own_people.load_held_out.cache_clear()
    with pytest.raises(LabelError, match="36 pairs of one person and 10 of two"):
        own_people.load_held_out(folder / "pairs.txt", folder / "people", DETECTOR)


def test_selections_hold_for_own_people_too(folder: Path) -> None:
    everybody = folder / "people", folder / "pairs.txt", DETECTOR, 0
    fewer = own_people.load_people(*everybody, Selection(frozenset({f"own/{PEOPLE[3]}/0.png"}), people=3, images=2))
    assert len(fewer.people) == 3 and len(fewer.files) == 6 and f"own/{PEOPLE[3]}/0.png" not in fewer.files
    assert set(fewer.people) < set(own_people.load_people(*everybody, EVERYTHING).people)


def test_photos_without_a_face_are_left_out_and_told_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wall = folder / "people" / PEOPLE[4] / "wall.png"
    cv2.imwrite(str(wall), np.full((240, 320, 3), 127, np.uint8))
    faces = own_people.load_people(folder / "people", folder / "pairs.txt", DETECTOR)
    assert (
        len(faces.files) == 20
        and f"1 photos without a face are left out, the first is {wall}" in capsys.readouterr().err
    )
    listed = HELD_OUT[0].replace(" ", "_")
    wall.rename(folder / "people" / listed / "0.png")
    with pytest.raises(LabelError, match=rf"no face was found in .*{listed}/0\.png"):
        own_people.load_held_out(folder / "pairs.txt", folder / "people", DETECTOR)


def test_what_cannot_be_trained_on_is_refused(folder: Path) -> None:
    with pytest.raises(LabelError, match="is not a folder of people"):
        own_people.load_people(folder / "nobody", folder / "pairs.txt", DETECTOR)
    (folder / "people" / PEOPLE[5] / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(LabelError, match=r"broken\.jpg cannot be read"):
        own_people.load_people(folder / "people", folder / "pairs.txt", DETECTOR)
    for person in PEOPLE[4:]:
        for photo in (folder / "people" / person).iterdir():
            photo.unlink()
    with pytest.raises(LabelError, match="at least two people"):
        own_people.load_people(folder / "people", folder / "pairs.txt", DETECTOR)


@pytest.fixture
def run(folder: Path) -> Path:
    """A run of an embedder of those people."""
    recipe = {
        "name": "own-embedder",
        "task": "face_embedding",
        "licence": "ours",
        "epochs": 1,
        "batch_size": 5,
        "optimizer": {"lr": 0.01},
        "architecture": {"dimension": 8, "crop_px": 32, "widths": [4, 4, 4, 4]},
        "data": {"people": str(folder / "people"), "pairs": str(folder / "pairs.txt"), "title": "Our staff"},
    }
    (folder / "own-embedder.yaml").write_text(yaml.safe_dump(recipe))
    convoy_train("fit", str(folder / "own-embedder.yaml"), "--run", str(folder / "run"))
    return folder / "run"


def convoy_train(*words: str) -> str:
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def find_more_strangers(patch: pytest.MonkeyPatch) -> None:
    """Two hundred and ten people at random in place of three: enough pairs to calibrate by."""
    vectors = np.random.default_rng(0).normal(size=(210, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    strangers = false_match.compare_strangers(vectors, np.arange(210))
    patch.setattr(calibrate, "compare_strangers", lambda vectors, labels: strangers)


def test_own_people_from_the_recipe_to_the_manifest(folder: Path, run: Path) -> None:
    models = folder / "models"
    output = convoy_train("export", str(run), "--models", str(models))
    copied = folder / "people" / PEOPLE[3]
    (copied / "twice.png").write_bytes((copied / "0.png").read_bytes())
    own_people.load_people.cache_clear()
    for target in (run, models / "own-embedder" / "1"):
        words = ["clean", str(target), "--out", str(folder / "exclude.csv"), "--same-person", "2", "--far", "-2"]
        assert " of 21 images (" in convoy_train(*words)
        found = read_exclusions(folder / "exclude.csv")
        assert f"own/{PEOPLE[3]}/twice.png" in found and {file.split("/")[1] for file in found} <= set(PEOPLE[3:])
    names = [metric["name"] for metric in json.loads((run / "metrics.json").read_text())]
    assert names == ["own_pair_accuracy", "own_tar_at_far_1e-2", "own_equal_error_rate"]
    manifest = json.loads((models / "own-embedder" / "1" / "manifest.json").read_text())
    assert manifest["training"]["data"] == ["Our staff, 5 people (20 images)"]
    assert manifest["calibration"] is None and "20,000 are needed" in output
    assert {metric["dataset"] for metric in manifest["metrics"]} == {"Our staff"}
    _, config = load_recipe(folder / "own-embedder.yaml")
    assert next(calibrate.load_held_out(config)).title == "Our staff"


def test_an_embedder_goes_live_calibrated_with_all_its_pages(
    folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_more_strangers(monkeypatch)
    live, rename = [], os.rename

    def watch(source: Path, target: Path) -> None:
        if Path(target).name == "1":
            manifest = load_manifest(source)
            assert manifest.calibration and manifest.thresholds.match is not None
            live.append((manifest.calibration.command, sorted(path.name for path in Path(source).iterdir())))
        rename(source, target)

    monkeypatch.setattr(os, "rename", watch)
    model = folder / "models" / "own-embedder" / "1"
    convoy_train("export", str(run), "--models", str(folder / "models"))
    convoy_train("quantize", str(model))
    small = folder / "models" / "own-embedder-int8" / "1"
    for (command, files), published in zip(live, (model, small), strict=True):
        assert command == f"convoy-train calibrate {published}"
        assert {"README.md", "manifest.json", "model.onnx", "recipe.yaml", "report.html"} <= set(files)
        assert files == sorted(path.name for path in published.iterdir())


def test_a_calibration_takes_the_place_of_the_one_before_in_one_step(
    folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = folder / "models" / "own-embedder" / "1"
    convoy_train("export", str(run), "--models", str(folder / "models"))
    before, number = load_manifest(model), model.stat().st_ino
    find_more_strangers(monkeypatch)
    assert "false-match rate" in convoy_train("calibrate", str(model))
    after = load_manifest(model)
    assert before.calibration is None and after.calibration and after.sha256 == before.sha256
    assert model.stat().st_ino != number and [path.name for path in model.parent.iterdir()] == ["1"]


def test_a_smaller_form_that_is_not_calibrated_has_no_match_threshold(
    folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = folder / "models" / "own-embedder" / "1"
    with monkeypatch.context() as patch:
        find_more_strangers(patch)
        convoy_train("export", str(run), "--models", str(folder / "models"))
    told = convoy_train("quantize", str(model))
    small = load_manifest(folder / "models" / "own-embedder-int8" / "1")
    assert load_manifest(model).thresholds.match is not None
    assert small.calibration is None and small.thresholds.match is None
    assert "own-embedder-int8 is not calibrated" in told and "their own default threshold" in told
