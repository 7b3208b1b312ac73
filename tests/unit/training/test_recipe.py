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
    _, config = load_recipe(RECIPES[0], ["optimizer.lr=0.125", "epochs=3", "name=other"])
    assert (config.optimizer.lr, config.epochs, config.name) == (0.125, 3, "other")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("optimizer.lr=-1", "optimizer.lr: Input should be greater than 0"),
        ("optimizer.learning_rate=1", "optimizer.learning_rate: Extra inputs are not permitted"),
        ("epochs", "write it as name=value"),
        ("task=astrology", "no recipe for the task 'astrology'"),
    ],
)
def test_a_wrong_field_is_named(override: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe(RECIPES[0], [override])


def test_a_file_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("- a list\n")
    with pytest.raises(RecipeError, match=r"r\.yaml: a recipe is a mapping"):
        load_recipe(tmp_path / "r.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "gone.yaml")


def test_help_teaches_the_commands() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert all(command in text for command in ("fit", "evaluate", "export", "table", "CONVOY_DATA"))
