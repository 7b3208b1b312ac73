"""The command `convoy-train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml
from convoy.core.errors import ConvoyError
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, load_manifest
from lightning.fabric import Fabric

from convoy_training.calibrate import calibrate_model
from convoy_training.card import write_table
from convoy_training.checkpoint import load_model
from convoy_training.comparison import print_comparison
from convoy_training.costs import print_layers, print_zoo
from convoy_training.errors import TrainingError
from convoy_training.export import open_onnx
from convoy_training.loop import build_predict
from convoy_training.loop import fit as fit_model
from convoy_training.memory import keep_freed_memory
from convoy_training.models.zoo import find_architecture
from convoy_training.publishing import RECIPES, publish_model
from convoy_training.quantize import quantize_model
from convoy_training.recipe import Config, Recipe, load_recipe, resolve_recipe

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, judge and export the networks that Convoy serves. Data is read from the folder in CONVOY_DATA.",
)

RecipeFile = Annotated[Path, typer.Argument(help="A YAML recipe, e.g. training/recipes/cifar10-resnet.yaml.")]
Override = Annotated[list[str], typer.Option("--set", help="Override a field: --set optimizer.lr=0.1 (repeatable).")]


@app.command()
def fit(
    recipe_file: RecipeFile,
    overrides: Override = [],  # noqa: B006 (typer reads the default, nobody writes to it)
    run: Annotated[Path | None, typer.Option(help="Run folder. Default: runs/<name>.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last whole epoch in the run folder.")] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    devices: Annotated[int, typer.Option(help="Processes, one a device (DDP above one).")] = 1,
) -> None:
    """Train a recipe; afterwards measure it on its validation split."""
    recipe, config = load_recipe(recipe_file, overrides)
    keep_freed_memory()
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=config.precision)
    fit_model(recipe, config, run or Path("runs") / config.name, resume=resume, fabric=fabric)


@app.command()
def evaluate(
    target: Annotated[Path, typer.Argument(help="A run folder of `fit`, or a published <model>/<version> folder.")],
    split: Annotated[str, typer.Option(help="Which split of the data.")] = "validation",
) -> None:
    """Measure a run (PyTorch) or a published model (ONNX), through the serving code's pre- and post-processing."""
    if (target / MANIFEST_FILE).exists():
        recipe, config = load_recipe(Path(load_manifest(target).training.recipe))
        predict = open_onnx(target / GRAPH_FILE)
    else:
        recipe, config = open_run(target)
        predict = build_predict(recipe, config, load_model(recipe, config, target))
    for metric in recipe.evaluate(predict, config, split):
        typer.echo(f"{metric.name:24} {metric.value:.4f}  ({metric.dataset}, {metric.split}, n={metric.n})")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder that `fit` wrote.")],
    models: Annotated[Path, typer.Option(help="Where models are published.")] = Path("exported_models"),
) -> None:
    """Publish a run as <models>/<name>/<version>/: ONNX graph, checked, measured, with manifest and card."""
    recipe, config = open_run(run)
    typer.echo(f"wrote {publish_model(recipe, config, load_model(recipe, config, run), models)}")


@app.command()
def calibrate(
    model: Annotated[Path, typer.Argument(help="A published face embedder, <model>/<version>.")],
) -> None:
    """Measure how often two strangers reach a similarity, and write the table into the model's manifest."""
    calibration = calibrate_model(model)
    for similarity, rate in zip(calibration.similarity, calibration.false_match_rate, strict=True):
        typer.echo(f"similarity {similarity:7.4f}  false-match rate {rate:.0e}")


@app.command()
def quantize(
    folder: Annotated[Path, typer.Argument(help="A published <model>/<version> folder.")],
) -> None:
    """Publish a model's INT8 form beside it as <name>-int8, calibrated on training images and measured again."""
    recipe, config = load_recipe(Path(load_manifest(folder).training.recipe))
    typer.echo(f"wrote {quantize_model(recipe, config, folder)}")


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="Published <model>/<version> folders.")],
) -> None:
    """Show published models side by side: accuracy as measured, size, and speed on this machine."""
    print_comparison(folders)


@app.command()
def table(
    models: Annotated[Path, typer.Argument(help="The folder of published models.")] = Path("exported_models"),
) -> None:
    """Write the table of published models and their cards, README.md, from the manifests."""
    typer.echo(f"wrote {write_table(models, RECIPES)}")


@app.command()
def zoo(
    name: Annotated[
        str | None, typer.Argument(help="One architecture, layer by layer. Default: all, one a line.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, for scripts.")] = False,
) -> None:
    """Show what each architecture costs: parameters, multiply-adds, activation memory, receptive field."""
    print_layers(find_architecture(name), as_json) if name else print_zoo(as_json)


def open_run(run: Path) -> tuple[Recipe, Config]:
    """The recipe that made a run folder."""
    file = run / "recipe.yaml"
    if not file.exists():
        raise TrainingError(f"{run} is not a run folder: it has no recipe.yaml")
    return resolve_recipe(yaml.safe_load(file.read_text()), str(file))


def main() -> None:
    """Runs the command; an expected error is one sentence and exit code 1."""
    try:
        app()
    except (TrainingError, ConvoyError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
