from pathlib import Path

import pytest
from convoy_training.cli import app
from convoy_training.errors import RecipeError
from convoy_training.recipe import load_recipe
from typer.testing import CliRunner

RECIPES = sorted((Path(__file__).resolve().parents[3] / "training" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_of_the_repository_is_valid_and_whole(file: Path) -> None:
    recipe, config = load_recipe(file)
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
        assert callable(getattr(recipe, function))


def test_any_field_can_be_set() -> None:
    _, config = load_recipe(RECIPES[0], ["optimizer.lr=0.125", "epochs=3", "name=12", "version=2"])
    assert (config.optimizer.lr, config.epochs, config.name, config.version) == (0.125, 3, "12", "2")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("optimizer.lr=-1", "optimizer.lr: Input should be greater than 0"),
        ("optimizer.learning_rate=1", "optimizer.learning_rate: Extra inputs are not permitted"),
        ("epochs", "write it as name=value"),
        ("epochs=[", "the value is not YAML"),
        ("name.first=1", "name is no group of fields"),
        ("task=astrology", "no recipe for the task 'astrology'"),
        ("task=../detection", "no recipe for the task '../detection'"),
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
    with pytest.raises(RecipeError, match=r"r\.yaml: a recipe is a mapping"):
        load_recipe(tmp_path / "r.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "gone.yaml")


def test_help_teaches_the_commands() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert all(command in text for command in ("fit", "evaluate", "export", "table", "CONVOY_DATA"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"\xff\xfe\x00\x91", "UTF-8 text"), (b"a: [", "is not YAML")],
    ids=["absent", "binary", "not YAML"],
)
def test_a_file_that_is_no_recipe_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "recipe.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RecipeError, match=reason) as refused:
        load_recipe(file)
    assert "Errno" not in str(refused.value)
