"""A run and a published model say where they come from, wherever they lie and whoever asks."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from convoy.core.manifest import load_manifest
from convoy_training.cli import app
from convoy_training.errors import TrainingError
from convoy_training.origin import Origin, describe_origin, read_origin, write_command
from convoy_training.publishing.publication import publish_model
from convoy_training.publishing.quantize import quantize_model
from convoy_training.recipe_file import open_recipe
from convoy_training.runs.loop import fit
from typer.testing import CliRunner

from tests.unit.training.tiny_task import CONFIG, TASK

ROOT = Path(__file__).resolve().parents[3]
MODELS = sorted(
    path.parent
    for path in (ROOT / "exported_models").glob("*/*/manifest.json")
    if json.loads(path.read_text())["architecture"] != "kernels"  # made from tables, not trained
)


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_model_of_the_repository_carries_its_recipe_and_notes(folder: Path) -> None:
    manifest, config = load_manifest(folder), open_recipe(folder)[1]
    assert manifest.name in (config.name, f"{config.name}-int8") and manifest.version == config.version
    assert not re.search(r"[ '\"]/", (folder / "recipe.yaml").read_text())  # no path of any machine
    notes = (folder / "notes.md").read_text()
    assert notes.strip() in (folder / "README.md").read_text()
    if folder.name == max((version.name for version in folder.parent.iterdir()), key=int):  # the recipe is the newest's
        beside = ROOT / "training" / "recipes" / f"{config.name}.md"
        assert notes == beside.read_text(), f"copy {beside.name} to {folder}, then `table`"


def test_a_command_is_written_as_one_would_type_it() -> None:
    assert write_command(Path("r.yaml"), [], "auto", 1) == "convoy-train fit r.yaml"
    assert (
        write_command(Path("my r.yaml"), ["optimizer.lr=0.1", "trainable=[fc]"], "cpu", 2)
        == "convoy-train fit 'my r.yaml' --set optimizer.lr=0.1 --set 'trainable=[fc]' --accelerator cpu --devices 2"
    )


def test_the_run_that_was_started_from_comes_first(tmp_path: Path) -> None:
    first = describe_origin(tmp_path / "one.yaml", "convoy-train fit one.yaml", None)
    fit(TASK, CONFIG, tmp_path / "run", origin=first)
    (tmp_path / "two.md").write_text("## Where it fails\n\nBy night.\n")
    second = describe_origin(tmp_path / "two.yaml", "convoy-train fit two.yaml", tmp_path / "run")
    assert second.command == "convoy-train fit one.yaml && convoy-train fit two.yaml" and "By night" in second.notes
    started = CONFIG.model_copy(update={"start_from": tmp_path / "run"})
    fit(TASK, started, tmp_path / "further", origin=second)
    fit(TASK, started, tmp_path / "further", resume=True, origin=Origin("other.yaml", "other", second.notes))
    assert read_origin(tmp_path / "further") == second


def test_a_run_of_which_no_command_is_known_says_how_to_mend_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"--run .* --resume` writes it"):
        read_origin(tmp_path)
    (tmp_path / "environment.json").write_text("[]")
    with pytest.raises(TrainingError, match=r"environment\.json: is damaged"):
        read_origin(tmp_path)


@pytest.mark.usefixtures("no_page")
def test_smaller_forms_carry_what_their_source_carries(tmp_path: Path) -> None:
    origin = Origin("tiny.yaml", "convoy-train fit tiny.yaml", "## Where it fails\n\nIn the dark.")
    folder = publish_model(TASK, CONFIG, TASK.build_model(CONFIG), tmp_path, origin)
    smaller = quantize_model(TASK, CONFIG, folder)
    for form in (folder, smaller):
        assert load_manifest(form).training.command == "convoy-train fit tiny.yaml"
        assert yaml.safe_load((form / "recipe.yaml").read_text())["optimizer"]["lr"] == 0.05
        assert "In the dark." in (form / "README.md").read_text()


def test_a_model_without_its_recipe_is_refused_with_advice(tmp_path: Path) -> None:
    shutil.copytree(MODELS[0], tmp_path / "model", ignore=shutil.ignore_patterns("recipe.yaml"))
    with pytest.raises(TrainingError, match=r"has no recipe\.yaml, .*: write one, a recipe"):
        open_recipe(tmp_path / "model")


def test_a_recipe_kept_anywhere_is_found_again_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for channel, name in enumerate(("blue", "green")):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            for number in range(count):
                image = random.integers(0, 90, (32, 32, 3)).astype(np.uint8)
                image[..., channel] += 150
                cv2.imwrite(str(tmp_path / "pictures" / split / name / f"{number}.png"), image)
    fields = {"name": "other", "task": "classification", "epochs": 9, "batch_size": 8, "optimizer": {"lr": 0.02},
              "architecture": "lenet", "mirror_average": False,
              "data": {"format": "image_folder", "path": str(tmp_path / "pictures"), "title": "colours"}}  # fmt: skip
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.yaml").write_text(yaml.safe_dump(fields))
    (tmp_path / "kept" / "mine.md").write_text("## Where it fails\n\nIt knows two colours.")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    model = "../models/colours/1"
    for words in (
        ["fit", "kept/mine.yaml", "--set", "name=colours", "--set", "epochs=1", "--accelerator", "cpu"],
        ["export", "runs/colours", "--models", "models"],
    ):
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    training = json.loads((tmp_path / "models/colours/1/manifest.json").read_text())["training"]
    assert training["recipe"] == "kept/mine.yaml"
    command = "convoy-train fit kept/mine.yaml --set name=colours --set epochs=1 --accelerator cpu"
    assert training["command"] == command
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for words in (["evaluate", model, "--report", "r.html"], ["quantize", model], ["compare", model]):
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert "colours-int8/1" in done.output
    again = ["export", str(tmp_path / "runs/colours"), "--models", "../models", "--replace"]
    done = CliRunner().invoke(app, again, catch_exceptions=False)
    assert "colours-int8/1 was made from the model that you replaced" in done.stderr
    with pytest.raises(TrainingError, match="--metric nonsense: none of these models has it; there are top1_accuracy"):
        CliRunner().invoke(app, ["compare", model, "--metric", "nonsense"], catch_exceptions=False)
    with pytest.raises(TrainingError, match="--crops 0: choose 1, 5 or 10"):
        CliRunner().invoke(app, ["evaluate", model, "--crops", "0"], catch_exceptions=False)
    for command in ("compare", "calibrate", "quantize"):
        with pytest.raises(TrainingError, match="runs/colours is a run: publish it first by `convoy-train export"):
            CliRunner().invoke(app, [command, str(tmp_path / "runs/colours")], catch_exceptions=False)
    assert CliRunner().invoke(app, ["calibrate", model, "--split", "nonsense"]).exit_code == 2
    assert "It knows two colours." in (tmp_path / "models/colours-int8/1/README.md").read_text()
