"""The commands of the how-to page, run on look-alikes of the files that they name; and the command itself."""

import ast
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import onnx
import pytest
from convoy.cli import model_trial
from convoy.cli.app import app
from convoy.cli.model_import import TaskName
from convoy.cli.model_report import SERVED_BY
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import load_manifest
from convoy.core.settings import Settings
from convoy.drawing.picture_files import read_picture, write_picture
from convoy.importing.adapters import ADAPTERS
from convoy.importing.pictures import photograph
from convoy.importing.words import read_boxes, read_channels, read_priors, read_size
from onnx import ModelProto, helper
from typer.testing import CliRunner

from tests import foreign_models as models
from tests import foreign_pictures as networks
from tests.foreign_models import write_lines

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "import-your-own-model.md").read_text()
COMMANDS = re.findall(r"^convoy model import .*$", PAGE, re.MULTILINE)
CLASSES = {
    "imagenet.txt": 1000,
    "coco.txt": 80,
    "coco91.txt": 91,
    "voc.txt": 20,
    "voc21.txt": 21,
    "two.txt": 2,
    "face.txt": 1,
    "mouse.txt": 1,
}
IMAGENET = (224, 224)


def with_names() -> ModelProto:
    model = models.yolov8(80, size=("h", "w")).model()
    helper.set_model_props(model, {"names": str({index: f"class {index}" for index in range(80)})})
    return model


def with_facts(drawing: models.Drawing, **facts: str) -> ModelProto:
    model = drawing.model()
    helper.set_model_props(model, facts)
    return model


LOOKALIKES: dict[str, Callable[[], ModelProto]] = {
    "resnet50.onnx": lambda: models.classifier(1000, size=IMAGENET).model(),
    "mobilevit.onnx": lambda: models.classifier(1000, size=IMAGENET).model(),
    "inception.onnx": lambda: models.classifier(1000, size=IMAGENET, softmax=True).model(),
    "yolov8n.onnx": with_names,
    "yolov5s.onnx": lambda: models.yolov5(80, size=("h", "w")).model(),
    "retinanet.onnx": lambda: models.retinanet(91, size=(128, 256)).model(),
    "ssd.onnx": lambda: models.ssd(21, logits=True, size=(320, 320)).model(),
    "deeplabv3.onnx": lambda: models.segmenter(21, stride=8, size=(104, 104)).model(),
    "det_10g.onnx": lambda: models.scrfd(flat=True, batch=1, size=("h", "w")).model(),
    "w600k_r50.onnx": lambda: models.embedder(opset=11).model(),
    "face_detection_yunet_2023mar.onnx": lambda: models.yunet(first=1, batch=1, size=(160, 160)).model(),
    "FaceDetector.onnx": lambda: models.retinaface(size=(160, 160), batch=1).model(),
    "yolox_s.onnx": lambda: models.yolox(80, size=(160, 160)).model(),
    "yolox_nano.onnx": lambda: models.yolox(80, size=(160, 160)).model(),
    "rfdetr.onnx": lambda: models.detr(91, size=(160, 160)).model(),
    "nanodet.onnx": lambda: models.nanodet(80, size=(160, 160)).model(),
    "textareas.onnx": lambda: models.segmenter(1, sigmoid=True, size=(64, 64)).model(),
    "centerface.onnx": lambda: models.centerface(size=(32, 32), batch=10).model(),
    "version-RFB-320.onnx": lambda: models.ssd(2, size=(240, 320)).model(),
    "yolov8n-seg.onnx": lambda: with_facts(models.yolov8_seg(2, size=("h", "w")), names="{0: 'a', 1: 'b'}"),
    "yolov8n-pose.onnx": lambda: with_facts(
        models.yolov8_pose(1, 17, size=(160, 160)), names="{0: 'somebody'}", kpt_shape="[17, 3]"
    ),
    "mouse-pose.onnx": lambda: models.yolov8_pose(1, 4, size=("h", "w")).model(),
    "espcn_x3.onnx": lambda: networks.espcn(3).model(),
    "super-resolution-10.onnx": lambda: networks.espcn(3, "reshape", size=(224, 224), opset=11).model(),
    "dncnn.onnx": lambda: networks.denoiser().model(),
    "mosaic.onnx": lambda: networks.fast_style(size=(224, 224), batch=1).model(),
    "fixed.onnx": lambda: models.yolov8(80, batch=1, size=(160, 160)).model(),
}


def test_the_page_names_every_adapter_of_every_task() -> None:
    known = {task: adapters for task, adapters in ADAPTERS.items() if adapters}
    assert len(known) == 6  # nothing imports signals, volumes and embedders of things
    for task, adapters in known.items():
        names = ", ".join(f"`{name}`" for name in adapters)
        assert f"| {task} | {names} |" in PAGE


def test_the_snippets_are_python() -> None:
    snippets = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(snippets) == 3
    for snippet in snippets:
        ast.parse(snippet)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_imports(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    onnx.save(LOOKALIKES[words[3]](), tmp_path / words[3])
    for word in words:
        if word in CLASSES:
            write_lines(tmp_path / word, [f"class {index}" for index in range(CLASSES[word])])
    write_picture(tmp_path / "photo.png", photograph())
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output + result.stderr
    (folder,) = (tmp_path / "exported_models").glob("*/1")
    manifest = load_manifest(folder)
    setting, service = SERVED_BY[manifest.task]
    assert f"serve it with {setting}={manifest.name} convoy serve {service}" in result.output.replace("\n", " ")


def test_the_page_shows_every_look_alike() -> None:
    assert {shlex.split(command)[3] for command in COMMANDS} == set(LOOKALIKES)


def test_what_was_found_is_shown_before_what_was_done(tmp_path: Path) -> None:
    file = models.classifier(3).save(tmp_path / "net.onnx")
    labels = write_lines(tmp_path / "labels.txt", ["a", "b", "c"])
    told = ["model", "import", str(file), "--task", "classification", "--labels", str(labels), "--licence", "MIT"]
    result = CliRunner().invoke(app, [*told, "--models", str(tmp_path / "models")])
    assert result.exit_code == 0
    for words in ("net.onnx: opset 17", "input.1", "[N, 3, 32, 32]", "[1, 3]", "they are logits", "adapter logits"):
        assert words in result.output
    document = json.loads(CliRunner().invoke(app, [*told, "--models", str(tmp_path / "models"), "--json"]).stdout)
    assert document["model"] == "net:2"
    assert document["adapter"] == "logits"
    assert document["preprocessing"].startswith("RGB, (pixel x 0.00392157 - (0.485, 0.456, 0.406))")


@pytest.mark.foreign
def test_a_picture_is_tried_and_drawn_before_anything_is_written(foreign_networks: Path, tmp_path: Path) -> None:
    """The picture that comes with Convoy, given as a user's own: the person in it is found, and drawn."""
    photo, drawn = tmp_path / "photo.png", tmp_path / "drawn.png"
    write_picture(photo, photograph())
    file = str(foreign_networks / "yolox_nano_fp16.onnx")  # no file of the catalogue, so there is something to ask
    told = ["model", "import", file, "--task", "detection", "--licence", "Apache-2.0",
            "--labels", str(foreign_networks / "coco_yolox.txt"), "--models", str(tmp_path / "models")]  # fmt: skip
    result = CliRunner().invoke(app, [*told, "--try", str(photo), "--draw", str(drawn)])
    assert result.exit_code == 0, result.output
    assert f"{photo}: person 0.9" in result.output.replace("\n", "")
    assert result.output.index("person 0.9") < result.output.index("wrote ")
    assert "How does the network want its pixels?" in result.output
    assert "largest difference from the original file" in result.output
    changed = (read_picture(drawn) != photograph()).any(axis=2)
    assert 0.01 < changed.mean() < 0.5


@pytest.mark.foreign
def test_a_file_of_the_catalogue_needs_no_words(
    foreign_networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked; the ways to prepare pixels are shown all the same."""
    monkeypatch.setattr(model_trial, "is_terminal", lambda: True)
    told = ["model", "import", str(foreign_networks / "yolox_nano.onnx"), "--models", str(tmp_path / "models")]
    result = CliRunner().invoke(app, told, input="")
    assert result.exit_code == 0, result.output
    assert "How does the network want its pixels? The catalogue says the first" in result.output.replace("\n", " ")
    assert result.output.index("raw-bgr") < result.output.index("imagenet")
    manifest = load_manifest(tmp_path / "models" / "yolox_nano" / "1")
    assert (manifest.licence, len(manifest.labels)) == ("Apache-2.0", 80)


def test_on_a_terminal_the_pixels_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_trial, "is_terminal", lambda: True)
    file = models.classifier(3).save(tmp_path / "net.onnx")
    labels = write_lines(tmp_path / "labels.txt", ["a", "b", "c"])
    told = ["model", "import", str(file), "--task", "classification", "--labels", str(labels), "--licence", "MIT",
            "--models", str(tmp_path / "models")]  # fmt: skip
    result = CliRunner().invoke(app, told, input="nonsense\nraw-bgr\n")
    assert result.exit_code == 0, result.output
    assert "there is no nonsense" in result.output
    assert "--bgr" in load_manifest(tmp_path / "models" / "net" / "1").training.command


def test_on_a_terminal_nothing_need_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_trial, "is_terminal", lambda: True)
    file = models.classifier(3).save(tmp_path / "net.onnx")
    labels = write_lines(tmp_path / "labels.txt", ["a", "b", "c"])
    write_picture(tmp_path / "photo.png", photograph())
    told = ["model", "import", str(file), "--task", "classification", "--labels", str(labels), "--licence", "MIT",
            "--preprocess", "raw", "--models", str(tmp_path / "models"),
            "--try", str(tmp_path / "photo.png")]  # fmt: skip
    result = CliRunner().invoke(app, told, input="n\n")
    assert result.exit_code == 0
    assert not (tmp_path / "models").exists()


def test_an_embedder_says_nothing_of_a_picture(tmp_path: Path) -> None:
    file = models.embedder().save(tmp_path / "net.onnx")
    write_picture(tmp_path / "photo.png", photograph())
    told = ["model", "import", str(file), "--task", "face_embedding", "--licence", "MIT",
            "--models", str(tmp_path / "models"), "--try", str(tmp_path / "photo.png")]  # fmt: skip
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 2
    assert "says nothing by itself" in result.stderr
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (["--draw", "out.png"], "--draw needs a picture"),
        (["--try", "missing.jpg"], "there is no such file"),
        (["--boxes", "round"], "pixels or normalised, corners or centres"),
        (["--boxes", "pixels,normalised"], "pixels or normalised, corners or centres"),
        (["--window", "40"], "give level and width as 40,400"),
        (["--window", "40,0"], "give level and width as 40,400"),
        (["--window", "nan,400"], "give level and width as 40,400"),
        (["--priors", "16,32"], "give the sides for strides 8, 16, 32"),
        (["--priors", "a/b/c"], "give the sides for strides 8, 16, 32"),
    ],
)
def test_bad_words_are_told_before_the_graph_is_read(told: list[str], words: str, tmp_path: Path) -> None:
    command = ["model", "import", str(tmp_path / "none.onnx"), "--task", "detection", "--licence", "MIT", *told]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_drawing_replaces_no_file(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    write_picture(photo, photograph())
    before = photo.read_bytes()
    command = ["model", "import", str(tmp_path / "none.onnx"), "--task", "detection", "--licence", "MIT"]
    result = CliRunner().invoke(app, [*command, "--try", str(photo), "--draw", str(photo)])
    assert result.exit_code == 2 and "WOULD_REPLACE" in result.stderr
    assert photo.read_bytes() == before


def test_boxes_and_priors_are_said_in_words() -> None:
    assert read_boxes(None) == (None, None)
    assert read_boxes("normalised") == ("normalised", None)
    assert read_boxes("xyxy, pixels") == ("pixels", "corners")
    assert read_boxes("cxcywh") == (None, "centres")
    assert read_priors("10,20/32,64/128,256") == ((10, 20), (32, 64), (128, 256))


def test_a_refusal_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_text("no graph")
    told = ["model", "import", str(tmp_path / "net.onnx"), "--task", "classification", "--licence", "MIT"]
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 2
    assert result.stderr.startswith("convoy: ")
    assert "net.onnx: it is not a valid ONNX graph" in result.stderr
    assert result.stderr.rstrip().endswith("[BAD_NETWORK].")


def test_the_command_knows_the_tasks() -> None:
    assert set(get_args(TaskName)) == {task for task, adapters in ADAPTERS.items() if adapters} == set(SERVED_BY)


def test_the_settings_that_it_names_are_the_ones_of_today() -> None:
    today = {f"CONVOY_{field.upper()}" for field in Settings.model_fields} - {"CONVOY_MODEL"}
    assert {setting for setting, _ in SERVED_BY.values()} <= today


@pytest.mark.parametrize(("text", "wanted"), [(None, None), ("0.5", (0.5, 0.5, 0.5)), ("1,2,3", (1.0, 2.0, 3.0))])
def test_channels_are_one_number_or_three(text: str | None, wanted: tuple[float, ...] | None) -> None:
    assert read_channels("--mean", text) == wanted


@pytest.mark.parametrize("text", ["", "a", "1,2", "1,2,3,4"])
def test_other_channels_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="give one number, or three"):
        read_channels("--mean", text)


@pytest.mark.parametrize(("text", "wanted"), [(None, None), ("640", 640), ("480x640", (480, 640))])
def test_a_size_is_a_side_or_two(text: str | None, wanted: object) -> None:
    assert read_size(text) == wanted


@pytest.mark.parametrize("text", ["", "0", "-1", "1x2x3", "axb", "99999"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="HEIGHTxWIDTH"):
        read_size(text)
