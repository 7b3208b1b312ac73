"""What is published is what was trained: other classes, other data and cut runs are told of or refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml
from convoy.core.manifest import load_manifest
from convoy_training.cli import app
from convoy_training.data import archive, image_folder
from convoy_training.errors import ExportError, RecipeError
from convoy_training.origin import UNKNOWN
from convoy_training.publishing.drops import check_drops, list_drops
from convoy_training.publishing.halving import halve_graph
from convoy_training.publishing.publication import describe_training
from convoy_training.recipe_file import load_recipe
from convoy_training.runs import loop
from convoy_training.runs.lock import hold
from convoy_training.runs.provenance import inherit, read_provenance, refuse_unfinished
from convoy_training.session import open_onnx
from convoy_training.task import Metric
from typer.testing import CliRunner

from tests.unit.training.test_loop import Killed, killed_in
from tests.unit.training.tiny_task import CONFIG, TASK

ROOT = Path(__file__).resolve().parents[3]


def forget_files() -> None:
    for function in (archive.open_archive, image_folder.load_split):
        function.cache_clear()


def run(*words: str, code: int = 0) -> str:
    forget_files()
    done = CliRunner().invoke(app, list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        assert code and isinstance(done.exception, RecipeError | ExportError), done.exception
        return str(done.exception)
    assert done.exit_code == code, done.output
    return done.output + done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of two classes, a recipe, a run of one epoch, and its published forms."""
    root, random = tmp_path_factory.mktemp("trained"), np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for channel, name in enumerate(("blue", "green")):
            (root / "data" / split / name).mkdir(parents=True)
            for number in range(count):
                image = random.integers(0, 90, (32, 32, 3)).astype(np.uint8)
                image[..., channel] += 150
                cv2.imwrite(str(root / "data" / split / name / f"{number}.png"), image)
    data = {"format": "image_folder", "path": str(root / "data"), "title": "colours"}
    fields = {"name": "colours", "task": "classification", "epochs": 1, "batch_size": 8, "optimizer": {"lr": 0.02},
              "architecture": "lenet", "mirror_average": False, "data": data}  # fmt: skip
    (root / "r.yaml").write_text(yaml.safe_dump(fields))
    run("fit", str(root / "r.yaml"), "--run", str(root / "run"), "--accelerator", "cpu")
    run("export", str(root / "run"), "--models", str(root / "models"))
    said = run("quantize", str(root / "models/colours/1"))
    assert re.search(r"top1_accuracy +\d\.\d{4} -> \d\.\d{4}  \([+-]\d\.\d{4}\)", said)
    return root


@pytest.fixture
def copy(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    for file in (tmp_path / "r.yaml", *tmp_path.rglob("recipe.yaml")):
        file.write_text(file.read_text().replace(str(trained), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_knows_what_it_was_trained_on_and_publishes_it(copy: Path) -> None:
    kept = read_provenance(copy / "run")
    assert kept and kept.classes == ["blue", "green"] and kept.epochs == kept.planned == 1
    assert kept.splits == {"train": "16 pictures", "validation": "8 pictures"}
    assert kept.normalisation["mean"] == [0.485, 0.456, 0.406]
    assert read_provenance(copy / "models/colours/1") == kept
    assert load_manifest(copy / "models/colours/1").training.trained == "1 epoch"


def test_a_renamed_class_is_refused_by_every_command(copy: Path) -> None:
    for split in ("train", "val"):
        (copy / "data" / split / "blue").rename(copy / "data" / split / "azure")
    for words in (
        ["evaluate", "run"],
        ["evaluate", "models/colours/1"],
        ["evaluate", "models/colours/1", "--other-data"],
        ["export", "run", "--models", "other"],
        ["quantize", "models/colours/1"],
    ):
        said = run(*words, code=1)
        assert "the data lacks blue, and has azure" in said, words
    assert not (copy / "other").exists()


def test_other_data_is_measured_on_purpose_alone(copy: Path) -> None:
    shutil.copy(copy / "data/train/blue/0.png", copy / "data/train/blue/more.png")
    said = run("evaluate", "run", code=1)
    assert "the data is not what it was trained on (train: 16 pictures, validation: 8 pictures" in said
    assert "top1_accuracy" in run("evaluate", "run", "--other-data")


def test_another_normalisation_is_refused(copy: Path) -> None:
    said = run("export", "run", "--models", "m", "--set", "mean=[0, 0, 0]", code=1)
    assert "trained with mean [0.485, 0.456, 0.406], the recipe says [0.0, 0.0, 0.0]" in said


def test_a_run_of_an_earlier_version_is_measured_with_a_warning(copy: Path) -> None:
    checkpoint = torch.load(copy / "run/last.ckpt", weights_only=True)
    del checkpoint["provenance"]
    torch.save(checkpoint, copy / "run/last.ckpt")
    said = run("evaluate", "run")
    assert "trained by an earlier version" in said and "top1_accuracy" in said


def test_a_cut_run_is_published_on_purpose_alone(copy: Path) -> None:
    checkpoint: dict[str, Any] = torch.load(copy / "run/last.ckpt", weights_only=True)
    facts = json.loads(checkpoint["provenance"])
    torch.save({**checkpoint, "provenance": json.dumps({**facts, "planned": 4})}, copy / "run/last.ckpt")
    assert "was cut at epoch 1 of 4: go on with" in run("export", "run", "--models", "new", code=1)
    assert not (copy / "new").exists()
    assert "was cut: epoch 1 of 4" in run("evaluate", "run")
    kept = read_provenance(copy / "run")
    refuse_unfinished(kept, copy / "run", allowed=True)
    assert describe_training(CONFIG, [], "", UNKNOWN, kept).trained == "epoch 1 of 4"


def test_a_network_takes_the_normalisation_that_it_has_learnt_with(copy: Path) -> None:
    run("fit", "r.yaml", "--run", "one", "--accelerator", "cpu", "--set", "mean=[0.1, 0.2, 0.3]")
    further = load_recipe(copy / "r.yaml", ["start_from=one"])[1]
    assert inherit(further).mean == (0.1, 0.2, 0.3)
    said = load_recipe(copy / "r.yaml", ["start_from=one", "mean=[0.4, 0.4, 0.4]"])[1]
    with pytest.raises(RecipeError, match=r"mean: the recipe says \[0\.4, 0\.4, 0\.4\], one was trained with \[0\.1"):
        inherit(said)


def test_a_checkpoint_of_a_killed_run_says_how_far_it_came(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        loop.fit(killed_in(epoch=1), CONFIG, tmp_path)
    kept = read_provenance(tmp_path)
    assert kept and kept.unfinished == "epoch 1 of 3"


def test_a_run_goes_on_with_as_many_devices_as_it_began(tmp_path: Path) -> None:
    loop.fit(TASK, CONFIG.model_copy(update={"epochs": 1}), tmp_path)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    facts = {**json.loads(checkpoint["provenance"]), "devices": 4}
    torch.save({**checkpoint, "provenance": json.dumps(facts)}, tmp_path / "last.ckpt")
    with pytest.raises(RecipeError, match=r"trained on 4 device\(s\), not 1: .*resume with --devices 4"):
        loop.fit(TASK, CONFIG.model_copy(update={"epochs": 1}), tmp_path, resume=True)


HOLD = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print('held', flush=True); input()"


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    lock = tmp_path / "run" / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdin and other.stdout and other.stdout.readline() == "held\n"
        lock.write_text(str(other.pid))
        with pytest.raises(RecipeError, match=rf"run: another `convoy-train fit` \(process {other.pid}\) trains there"):
            loop.fit(TASK, CONFIG, tmp_path / "run")
        other.communicate("\n")
    with hold(tmp_path / "run"):
        assert lock.read_text() == str(os.getpid())
    assert not lock.exists()


def test_a_refused_recipe_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="fewer than one step takes"):
        loop.fit(TASK, CONFIG.model_copy(update={"batch_size": 64}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["bccd-yolo", "camvid-unet", "cifar10-resnet", "face-detector-nano", "isbi-unet"])
def test_a_published_graph_has_a_half_precision_form(name: str, tmp_path: Path) -> None:
    source, target = ROOT / "exported_models" / name / "1" / "model.onnx", tmp_path / "half.onnx"
    halve_graph(source, target)
    side = 32 if name == "cifar10-resnet" else 96
    images = np.random.default_rng(0).integers(0, 256, (1, side, side, 3)).astype(np.uint8)
    exact, half = open_onnx(source, 1)(images), open_onnx(target, 1)(images)
    for output, values in exact.items():
        assert half[output].dtype == values.dtype
        if output == "class_map":
            assert np.mean(half[output] != values) < 0.01
        else:
            assert np.abs(half[output] - values).max() < (0.1 if output in ("boxes", "landmarks") else 5e-3)
    assert target.stat().st_size < 0.55 * source.stat().st_size


def test_weights_beyond_half_precision_are_refused_in_a_sentence(tmp_path: Path) -> None:
    weight = onnx.numpy_helper.from_array(np.full((1, 1, 1, 1), 1e6, np.float32), "w")
    value = [onnx.helper.make_tensor_value_info(name, 1, [1, 1, 2, 2]) for name in "xy"]
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", value[:1], value[1:], [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)]), tmp_path / "g.onnx")
    with pytest.raises(ExportError, match="no FP16 form: w holds numbers above 65504"):
        halve_graph(tmp_path / "g.onnx", tmp_path / "half.onnx")


def test_what_a_smaller_form_may_lose_is_limited_class_by_class() -> None:
    def measured(**values: float) -> list[Metric]:
        return [Metric(name, value, "d", "validation", 9) for name, value in values.items()]

    before = measured(map_50=0.9, ap_50_rare=0.8, lfw_fnmr_rejecting_0_percent=0.1)
    after = measured(map_50=0.895, ap_50_rare=0.5, lfw_fnmr_rejecting_0_percent=0.2)
    assert [round(drop.lost, 3) for drop in list_drops(before, after)] == [0.005, 0.3, 0.1]
    check_drops(before, after, None, None, "m-int8")
    with pytest.raises(ExportError, match=r"m-int8: ap_50_rare falls from 0\.8000 to 0\.5000, lfw_fnmr"):
        check_drops(before, after, None, 0.02, "m-int8")
    with pytest.raises(ExportError, match="map_50 falls"):
        check_drops(before, after, 0.001, None, "m-fp16")
    with pytest.raises(ExportError, match=r"map_50 falls from 0\.9000 to nan"):
        check_drops(before, measured(map_50=float("nan")), None, 0.5, "m-int8")


def test_quantising_what_is_quantised_is_refused(copy: Path) -> None:
    assert "is already a smaller form (int8)" in run("quantize", "models/colours-int8/1", code=1)
    manifest = copy / "models/colours-int8/1/manifest.json"
    manifest.write_text(manifest.read_text().replace('"precision": "int8"', '"precision": "float32"'))
    assert "its graph computes in 8 bits" in run("quantize", "models/colours-int8/1", code=1)
