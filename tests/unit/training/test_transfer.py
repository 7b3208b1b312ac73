"""Own pictures, published weights, chosen parts."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from convoy_training.cli import app
from convoy_training.data import image_folder
from convoy_training.data.archive import open_archive
from convoy_training.errors import CheckpointError, LabelError, RecipeError
from convoy_training.models.googlenet import GoogLeNet
from convoy_training.models.lenet import LeNet
from convoy_training.models.localiser import Localiser
from convoy_training.models.resnet import ResNet
from convoy_training.models.unet import UNet
from convoy_training.models.unet_original import OriginalUNet
from convoy_training.models.yolo import Yolo
from convoy_training.recipe_file import resolve_recipe
from convoy_training.runs.loop import fit
from convoy_training.runs.transfer import adopt, freeze, load_weights
from convoy_training.tasks import face_embedding
from torch import nn
from typer.testing import CliRunner

from tests.unit.training.tiny_task import CONFIG, TASK


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve red and twelve blue pictures of several sizes."""
    random = np.random.default_rng(0)
    for channel, name in ((0, "blue"), (2, "red")):
        for number in range(12):
            image = random.integers(0, 90, (40 + number, 50, 3)).astype(np.uint8)
            image[..., channel] += 150
            folder = tmp_path / "pictures" / ("val" if number >= 8 else "train") / name
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{number}.png"), image)
    return tmp_path / "pictures"


def fields(pictures: Path, **changes: object) -> dict[str, object]:
    source = {"format": "image_folder", "path": str(pictures), "title": "colours"}
    optimizer = {"lr": 0.02, "weight_decay": 0.0}
    return {"name": "colours", "task": "classification", "epochs": 3, "batch_size": 8, "input_size": 32, "data": source,
            "architecture": "cifar-resnet20", "optimizer": optimizer, **changes}  # fmt: skip


def test_own_pictures_train_a_chosen_network(pictures: Path, tmp_path: Path) -> None:
    task, config = resolve_recipe(fields(pictures), "test")
    fit(task, config, tmp_path / "run")
    assert '"value": 1.0' in (tmp_path / "run" / "metrics.json").read_text()
    assert task.describe(config).manifest["labels"] == ["blue", "red"]
    run, page = str(tmp_path / "run"), tmp_path / "report.html"
    result = CliRunner().invoke(app, ["evaluate", run, run, "--ensemble", "--crops", "5", "--report", str(page)])
    assert "top1_accuracy            1.0000" in result.stdout, result.output
    text = page.read_text()
    assert "blue" in text and text.count("<svg") >= 5 and "SHA-256 of the data" in text


def test_only_the_chosen_parts_learn(pictures: Path, tmp_path: Path) -> None:
    start = torch.nn.Module.state_dict(ResNet(18, classes=5))
    torch.save(start, tmp_path / "weights.pth")
    changes = {"architecture": "resnet18", "init": str(tmp_path / "weights.pth"), "trainable": ["fc"], "epochs": 1}
    task, config = resolve_recipe(fields(pictures, **changes), "test")
    trained = fit(task, config, tmp_path / "run").state_dict()
    assert trained["fc.weight"].shape == (2, 512)
    for name, value in start.items():
        if not name.startswith("fc."):
            assert torch.equal(trained[name], value), name


def test_the_last_stages_learn_and_those_before_stay(pictures: Path, tmp_path: Path) -> None:
    start = ResNet(18, classes=5).state_dict()
    torch.save(start, tmp_path / "weights.pth")
    parts = ["layer4", "fc"]
    changes = {"architecture": "resnet18", "init": str(tmp_path / "weights.pth"), "trainable": parts, "epochs": 1}
    task, config = resolve_recipe(fields(pictures, **changes), "test")
    trained = fit(task, config, tmp_path / "run").state_dict()
    last = {name for name in start if name.startswith("layer4.")}
    for name in set(start) - last - {"fc.weight", "fc.bias"}:
        assert torch.equal(trained[name], start[name]), name
    # Everything in the last stage moves: weights, and the statistics of its normalisations.
    assert not [name for name in last if torch.equal(trained[name], start[name])]


def test_a_folder_without_what_it_needs_is_refused(pictures: Path, tmp_path: Path) -> None:
    (pictures / "train" / "red" / "0.png").write_bytes(b"no picture")
    with pytest.raises(LabelError, match=r"train/red/0\.png: .*the bytes are not a JPEG"):
        image_folder.load_split(str(pictures), "train", 32)
    for file in (pictures / "val" / "red").iterdir():
        file.unlink()
    (pictures / "train" / "red" / "0.png").unlink()
    open_archive.cache_clear()
    split = image_folder.load_split(str(pictures), "validation", 31)
    assert len(split.labels) > 0 and split.classes.index("red") not in split.labels
    (tmp_path / "nothing").mkdir()
    with pytest.raises(LabelError, match="train: it needs at least two classes"):
        image_folder.load_split(str(tmp_path / "nothing"), "train", 32)


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    torch.save(nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(16, 3)).state_dict(), file)
    with pytest.raises(CheckpointError, match=r"1\.bias is \(5,\), not \(4,\)"):
        load_weights(small(), file)
    torch.save(nn.Linear(3, 3).state_dict(), file)
    with pytest.raises(CheckpointError, match="another architecture: it has no 0"):
        load_weights(small(), file)
    file.write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=r"w\.pth is not a state dict"):
        load_weights(small(), file)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {f"module.{name}": value for name, value in weights.items()},
        lambda weights: {"state_dict": {f"module.{name}": value for name, value in weights.items()}},
    ],
    ids=["in a checkpoint", "of DataParallel", "both"],
)
def test_weights_are_taken_as_people_have_them(
    wrap: Callable[[dict[str, torch.Tensor]], object], tmp_path: Path
) -> None:
    start, model = small(), small()
    torch.save(wrap(start.state_dict()), tmp_path / "w.pth")
    load_weights(model, tmp_path / "w.pth")
    assert all(torch.equal(value, start.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ([1], "it is a list, not tensors by name"),
        (torch.zeros(2), "it is a Tensor, not tensors by name"),
        ({"state_dict": None}, "state_dict is a NoneType, not a tensor"),
        ({"0.weight": None}, "0.weight is a NoneType, not a tensor"),
        (nn.Linear(2, 2), "it is damaged, or holds more than tensors"),
    ],
    ids=["list", "tensor", "nothing", "no weight", "module"],
)
def test_what_is_no_state_dict_is_refused_in_a_sentence(stored: object, reason: str, tmp_path: Path) -> None:
    torch.save(stored, tmp_path / "w.pth")
    with pytest.raises(CheckpointError) as refused:
        load_weights(small(), tmp_path / "w.pth")
    assert f"w.pth is not a state dict: {reason}" in str(refused.value) and "\x1b" not in str(refused.value)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"init: .*gone\.pth: No such file or directory$"):
        load_weights(small(), tmp_path / "gone.pth")


def test_a_part_that_does_not_exist_is_named() -> None:
    with pytest.raises(RecipeError, match="no part 'fc'; its parts are 0, 1, 2, 3"):
        freeze(small(), ["fc"])


def test_auxiliary_heads_and_the_last_layer_may_be_of_other_classes() -> None:
    start, model = GoogLeNet(classes=3), GoogLeNet(classes=2)
    adopt(model, start.state_dict(), Path("weights.pth"))
    assert torch.equal(model.conv1.conv.weight, start.conv1.conv.weight) and model.fc.weight.shape == (2, 1024)
    adopt(GoogLeNet(classes=2, auxiliary=False), start.state_dict(), Path("weights.pth"))
    adopt(model, GoogLeNet(classes=2, auxiliary=False).state_dict(), Path("weights.pth"))


def test_centres_of_other_people_stay_new(monkeypatch: pytest.MonkeyPatch) -> None:
    people = iter((5, 3))
    faces = lambda config: SimpleNamespace(people=range(next(people)))  # noqa: E731
    monkeypatch.setattr(face_embedding, "load_training_faces", faces)
    architecture = {"dimension": 8, "crop_px": 32, "widths": [4, 4, 4, 4]}
    config = face_embedding.Config.model_validate(
        {"name": "e", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1}, "architecture": architecture}
    )
    start, model = face_embedding.build_model(config), face_embedding.build_model(config)
    adopt(model, start.state_dict(), Path("run"))
    assert torch.equal(model.embedder.stem[0].weight, start.embedder.stem[0].weight)
    assert model.margin.centres.shape == (3, 8)
    mined = face_embedding.build_model(config.model_copy(update={"triplets": face_embedding.Triplets()}))
    adopt(model, mined.state_dict(), Path("run"))
    adopt(mined, start.state_dict(), Path("run"))
    assert torch.equal(mined.embedder.head[3].weight, start.embedder.head[3].weight)


def test_a_network_of_more_layers_is_another_one() -> None:
    with pytest.raises(CheckpointError, match=r"it has 4\.bias, which this network lacks"):
        adopt(small(), nn.Sequential(*small(), nn.Linear(3, 3)).state_dict(), Path("run"))


def test_parts_of_every_task_can_be_chosen(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"trainable": ["5"], "epochs": 1})
    torch.manual_seed(CONFIG.seed)
    start = TASK.build_model(CONFIG).state_dict()
    trained = fit(TASK, config, tmp_path / "run").state_dict()
    moved = {name for name in start if not torch.equal(start[name], trained[name])}
    assert moved == {"5.weight", "5.bias"}


HEADS = {
    "yolo": (
        lambda n: Yolo(n, (8, 8, 8, 8, 8), (1, 1, 1, 1), 8),
        {"heads.0.classify.1.weight", "heads.2.classify.1.bias"},
    ),
    "unet": (lambda n: UNet(n, (4, 8), (1,)), {"head.weight", "head.bias"}),
    "unet-original": (lambda n: OriginalUNet(n, (4, 8), padded=True), {"head.weight", "head.bias"}),
    "localiser": (lambda n: Localiser(n, (4, 8)), set()),
    "lenet": (lambda n: LeNet(n), set()),
}


@pytest.mark.parametrize("name", HEADS)
def test_only_last_layers_stay_new_for_other_classes(name: str) -> None:
    build, new = HEADS[name]
    start, model = build(3), build(5)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    adopt(model, start.state_dict(), Path("run"))
    theirs, own = start.state_dict(), model.state_dict()
    other = {key for key in own if own[key].shape != theirs[key].shape}
    assert 0 < len(other) <= 6 and new <= other
    assert all(torch.equal(own[key], fresh[key] if key in other else theirs[key]) for key in own)


def test_a_batch_of_one_trains_and_says_what_normalisation_does(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 32 pixels the last stage of a ResNet has one value of each channel."""
    changes = {"architecture": "resnet18", "batch_size": 1, "epochs": 1, "optimizer": {"lr": 1e-4}}
    task, config = resolve_recipe(fields(pictures, **changes), "test")
    fit(task, config, tmp_path / "run")
    assert "batch_size 1: the normalisation layer4.0.bn1 sees one value of each channel" in capsys.readouterr().out
