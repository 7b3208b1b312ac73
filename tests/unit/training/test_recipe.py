from pathlib import Path
from typing import NoReturn

import pytest
from convoy_training.cli import app
from convoy_training.errors import RecipeError
from convoy_training.recipe_file import load_recipe
from typer.testing import CliRunner

RECIPES = sorted((Path(__file__).resolve().parents[3] / "training" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_of_the_repository_is_valid_and_whole(file: Path) -> None:
    task, config = load_recipe(file)
    assert config.name == file.stem
    for function in (
        "build_model",
        "build_data",
        "compute_loss",
        "build_graph",
        "example_images",
        "evaluate",
        "describe",
    ):
        assert callable(getattr(task, function))


def test_any_field_can_be_set() -> None:
    _, config = load_recipe(RECIPES[0], ["optimizer.lr=0.125", "epochs=3", "name=12", "version=2"])
    assert (config.optimizer.lr, config.epochs, config.name, config.version) == (0.125, 3, "12", "2")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("optimizer.lr=-1", "optimizer.lr: Input should be greater than 0"),
        ("optimizer.learning_rate=1", "optimizer.learning_rate: there is no such field"),
        ("epochs", "write it as name=value"),
        ("epochs=[", "the value is not YAML"),
        ("name.first=1", "name is not a group of fields"),
        ("task=astrology", "there is no task 'astrology'"),
        ("task=../detection", "there is no task '../detection'"),
        ("name=../mine", "name: String should match pattern"),
        ("version=1.5", "version: String should match pattern"),
        ("seed=-5", "seed: Input should be greater than or equal to 0"),
        ("optimizer.momentum=5", "optimizer.momentum: Input should be less than 1"),
        ("optimizer.weight_decay=-1", "optimizer.weight_decay: Input should be greater than or equal to 0"),
    ],
)
def test_a_wrong_field_is_named(override: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe(RECIPES[0], [override])


FORMS = {file.stem: file for file in RECIPES}
IN_ORDER, POSITIVE, ABOVE = "write the smaller number first", "greater than 0", "greater than or equal to 0"


@pytest.mark.parametrize(
    ("name", "override", "reason"),
    [
        ("bccd-yolo", "box_weight=-1", f"box_weight: .*{ABOVE}"),
        ("bccd-yolo", "box_weight=.nan", "box_weight: .*finite"),
        ("bccd-yolo", "scales=[1.2,0.8]", f"scales: .*{IN_ORDER}"),
        ("bccd-yolo", "scales=[0,0]", f"scales.0: .*{POSITIVE}"),
        ("bccd-yolo", "augment={scales: [1.2,0.8]}", f"augment.scales: .*{IN_ORDER}"),
        ("bccd-yolo", "augment={crop: [0,0]}", f"augment.crop.0: .*{POSITIVE}"),
        ("bccd-yolo", "augment={crop: [352,320]}", r"augment.crop: \[352, 320\] cannot be cut out of \[320, 320\]"),
        ("bccd-yolo", "widths=[12,24]", "widths: give 5 for the yolo"),
        ("bccd-yolo", "widths=[1,24,48,96,160]", "each at least 2"),
        ("bccd-yolo", "depths=[1]", "depths: give 4 for the yolo"),
        ("bccd-yolo", "head_width=0", f"head_width: .*{POSITIVE}"),
        ("bccd-yolo", "input_size=0", f"input_size: .*{POSITIVE}"),
        ("bccd-yolo", "input_size=8192", "input_size: .*less than or equal to 4096"),
        ("bccd-faster-rcnn", "anchor_sizes=[]", "anchor_sizes: .*at least 1"),
        ("bccd-faster-rcnn", "anchor_sizes=[0]", f"anchor_sizes.0: .*{POSITIVE}"),
        ("bccd-sliding-window", "pyramid=[]", "pyramid: .*at least 1"),
        ("bccd-sliding-window", "pyramid=[-1]", f"pyramid.0: .*{POSITIVE}"),
        ("bccd-sliding-window", "pyramid=[1,0.1]", "pyramid: at every scale a picture must have at least 47 pixels"),
        ("bccd-localiser", "widths=[]", "widths: .*at least 1"),
        ("bccd-localiser", "box_weight=-1", f"box_weight: .*{ABOVE}"),
        ("bccd-localiser", "repeats=0", f"repeats: .*{POSITIVE}"),
        ("camvid-unet", "crop=[0,0]", f"crop.0: .*{POSITIVE}"),
        ("camvid-unet", "crop=[100,101]", "crop: both sides must be multiples of 16"),
        ("camvid-unet", "augment={crop: [240,336]}", "augment.crop: .*cannot be cut out of"),
        ("camvid-unet", "augment={crop: [100,101]}", "augment.crop: both sides must be multiples of 16"),
        ("camvid-unet", "scales=[1.2,0.8]", f"scales: .*{IN_ORDER}"),
        ("camvid-unet", "widths=[]", "widths: .*at least 1"),
        ("camvid-unet", "depths=[1]", "depths: give 3 for 4 widths"),
        ("camvid-unet", "dice=-1", f"dice: .*{ABOVE}"),
        ("camvid-unet", "palette=[[0,0,999]]", "palette.0.2: .*less than or equal to 255"),
        ("cifar10-resnet", "shift=40", "shift: must be less than input_size"),
        ("cifar10-resnet", "input_size=64", "input_size: CIFAR's pictures have 32 pixels"),
        ("cifar10-resnet", "widths=[]", "widths: .*at least 1"),
        ("cifar10-resnet", "widths=[0,256,256]", f"widths.0: .*{POSITIVE}"),
        ("cifar10-resnet", "refinements=[1]", "refinements: give one for each of the 3 widths"),
        ("face-detector-nano", "architecture.widths=[16,32]", "architecture.widths: .*at least 5"),
        ("face-detector-nano", "face_px=[150,9]", f"face_px: .*{IN_ORDER}"),
        ("face-detector-nano", "close_up_fill=[0.2,2]", "close_up_fill.1: .*less than or equal to 1"),
        ("face-detector-nano", "landmark_weight=-1", f"landmark_weight: .*{ABOVE}"),
        ("face-detector-nano", "augment={crop: [352,352]}", "augment.crop: .*cannot be cut out of"),
        ("face-embedder-small", "architecture.depths=[1]", "depths: give 3 for 4 widths"),
        ("face-embedder-small", "architecture.widths=[]", "widths: .*at least 1"),
        ("face-landmarks", "widths=[0]", f"widths.0: .*{POSITIVE}"),
        ("face-landmarks", "landmark_weight=-1", f"landmark_weight: .*{ABOVE}"),
    ],
)  # fmt: skip
def test_a_number_that_no_training_can_use_is_refused(name: str, override: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe(FORMS[name], [override])


@pytest.mark.parametrize(
    ("name", "overrides"),
    [("cifar10-resnet", ["mirror=false", "mirror_average=false"]), ("bccd-yolo", ["mirror=false"]),
     ("camvid-unet", ["mirror=false"])],
)  # fmt: skip
def test_a_recipe_without_mirror_images_asks_for_none(name: str, overrides: list[str]) -> None:
    load_recipe(FORMS[name], [*overrides, "augment={rotate: 5}"])
    with pytest.raises(RecipeError, match=r"augment\.mirror: must be 0"):
        load_recipe(FORMS[name], [*overrides, "augment={mirror: 0.5}"])


def test_a_recipe_that_turns_nothing_upside_down_asks_for_none() -> None:
    load_recipe(FORMS["bccd-yolo"], ["upside_down=true", "augment={upside_down: 0.5}"])
    with pytest.raises(RecipeError, match=r"augment\.upside_down: must be 0"):
        load_recipe(FORMS["bccd-yolo"], ["upside_down=false", "augment={upside_down: 0.5}"])


def test_a_field_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(FORMS["cifar10-resnet"].read_text() + "epochs: 1\n")
    with pytest.raises(RecipeError, match="the field 'epochs' is given twice"):
        load_recipe(file)


@pytest.mark.parametrize("task", ["__init__", "null", "[detection]"])
def test_a_task_that_is_none_is_answered_with_the_tasks(task: str) -> None:
    with pytest.raises(RecipeError, match="the tasks are classification, detection, embedding, face_detection"):
        load_recipe(RECIPES[0], [f"task={task}"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--accelerator", "nonsense"], "'nonsense' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        (["--devices", "0"], "Invalid value for '--devices'"),
        (["--accelerator", "cuda", "--devices", "99"], "--accelerator cuda --devices 99: this machine has cpu"),
    ],
)
def test_devices_that_are_not_there_are_refused(options: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["fit", str(FORMS["cifar10-resnet"]), *options], env={"COLUMNS": "200"})
    assert result.exit_code != 0 and reason in f"{result.output} {result.exception}"


def test_an_interrupted_training_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*arguments: object, **options: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("convoy_training.runs.loop.fit", interrupt)
    words = ["fit", str(FORMS["cifar10-resnet"]), "--run", str(tmp_path), "--accelerator", "cpu"]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stderr) == (130, "interrupted: no epoch is complete yet\n")
    (tmp_path / "last.ckpt").touch()
    result = CliRunner().invoke(app, words)
    assert result.stderr == f"interrupted: --resume continues from the last complete epoch in {tmp_path}\n"


def test_a_file_that_a_recipe_names_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    file = tmp_path / "recipes" / "r.yaml"
    file.write_text(Path("training/recipes/face-embedder-tiny.yaml").read_text() + "\n")
    monkeypatch.chdir(tmp_path)
    assert load_recipe(file)[1].exclude == Path("face-embedder-exclude.csv")  # neither there: as it is written
    (tmp_path / "recipes" / "face-embedder-exclude.csv").write_text("file,reason,detail\n")
    assert load_recipe(file)[1].exclude == tmp_path / "recipes" / "face-embedder-exclude.csv"
    assert load_recipe(file, ["exclude=other.csv"])[1].exclude == Path("other.csv")


def test_a_file_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("- a list\n")
    with pytest.raises(RecipeError, match=r"r\.yaml: is not a list of fields with values"):
        load_recipe(tmp_path / "r.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "gone.yaml")


def test_help_teaches_the_commands() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert all(command in text for command in ("fit", "evaluate", "export", "table", "CONVOY_DATA"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"\xff\xfe\x00\x91", "is not UTF-8 text"), (b"a: [", "is not YAML")],
    ids=["absent", "binary", "not YAML"],
)
def test_a_file_that_is_no_recipe_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "recipe.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RecipeError, match=reason) as refused:
        load_recipe(file)
    assert "Errno" not in str(refused.value)
