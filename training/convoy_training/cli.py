"""The command `convoy-train`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task

from convoy_training.cleaning import Limits
from convoy_training.cleaning import clean as find_exclusions_of
from convoy_training.data.exclusions import write_exclusions
from convoy_training.errors import INTERRUPTED, RecipeError, TrainingError
from convoy_training.evaluation import Subject, average_crops, ensemble, open_subject
from convoy_training.models.architecture import find_architecture
from convoy_training.models.costs import print_layers, print_zoo
from convoy_training.origin import describe_origin, read_origin, write_command
from convoy_training.protocols.run import OwnPairs, Protocol, run_protocol
from convoy_training.protocols.subject import print_metrics
from convoy_training.publishing.calibrate import calibrate_model
from convoy_training.publishing.card import write_table
from convoy_training.publishing.class_bias import choose_bias, measure_biases
from convoy_training.publishing.comparison import find_forms, print_comparison
from convoy_training.publishing.publication import publish_model
from convoy_training.publishing.quantize import Precision, quantize_model
from convoy_training.publishing.recording import record as record_model
from convoy_training.recipe_file import load_published, load_recipe, open_recipe
from convoy_training.report import REPORT
from convoy_training.report.numbers import format_value
from convoy_training.report.page import write_report
from convoy_training.runs.checkpoint import FILE as CHECKPOINT
from convoy_training.runs.checkpoint import load_model
from convoy_training.runs.devices import Accelerator, open_fabric
from convoy_training.runs.loop import build_predict, read_metrics
from convoy_training.runs.loop import fit as fit_model
from convoy_training.runs.memory import keep_freed_memory
from convoy_training.scaling import print_points, read_point, show_points, to_dicts

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, judge and export the networks that Convoy serves. Data is read from the folder in CONVOY_DATA.",
)

RecipeFile = Annotated[Path, typer.Argument(help="A YAML recipe, e.g. training/recipes/bccd-yolo.yaml.")]
DETECTOR = Path("exported_models/face-detector-nano/1")
Shown = Annotated[list[str], typer.Option("--metric", help="Show this metric (repeatable). Default: the first.")]
Override = Annotated[list[str], typer.Option("--set", help="Override a field: --set optimizer.lr=0.1 (repeatable).")]


@app.command()
def fit(
    recipe_file: RecipeFile,
    overrides: Override = [],  # noqa: B006 (typer reads the default, nobody writes to it)
    run: Annotated[Path | None, typer.Option(help="Run folder. Default: runs/<name>.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last whole epoch in the run folder.")] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="What to train on.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, one a device (DDP above one).")] = 1,
) -> None:
    """Train a recipe; afterwards measure it on its validation split, and write report.html into the run folder."""
    task, config = load_recipe(recipe_file, overrides)
    keep_freed_memory()
    fabric = open_fabric(accelerator, devices, config.precision)
    folder = run or Path("runs") / config.name
    command = write_command(recipe_file, overrides, accelerator, devices)
    origin = describe_origin(recipe_file, command, config.start_from)
    try:
        model = fit_model(task, config, folder, resume=resume, fabric=fabric, origin=origin)
    except KeyboardInterrupt:
        if fabric.is_global_zero:
            reached = (folder / CHECKPOINT).exists()
            told = f"--resume goes on from the last whole epoch in {folder}" if reached else "no epoch was whole yet"
            typer.echo(f"interrupted: {told}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if fabric.is_global_zero:
        subject = Subject(folder, task, config, build_predict(task, config, model))
        subject.report(folder / REPORT, read_metrics(folder), "validation")
        typer.echo(f"wrote {folder / REPORT}")


@app.command()
def evaluate(
    targets: Annotated[
        list[Path], typer.Argument(help="Run folders of `fit`, or published <model>/<version> folders.")
    ],
    split: Annotated[str, typer.Option(help="Which split of the data.")] = "validation",
    together: Annotated[bool, typer.Option("--ensemble", help="Average the models instead of one by one.")] = False,
    crops: Annotated[int | None, typer.Option(help="Average a classifier over 1, 5 or 10 crops.")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write curves, confusions and mistakes as HTML.")] = None,
    pictures: Annotated[bool, typer.Option(help="Show pictures of the data in the report.")] = True,
    protocol: Annotated[Protocol | None, typer.Option(help="How to judge a face embedder.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Your own pairs: `one.jpg other.jpg 1`, or as LFW's.")] = None,
    images: Annotated[Path, typer.Option(help="The folder of the photos in --pairs.")] = Path(),
    detector: Annotated[Path, typer.Option(help="Finds the faces in --images.")] = DETECTOR,
    as_json: Annotated[bool, typer.Option("--json", help="With --protocol: metrics and curves, for scripts.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write it into the published folders.")] = False,
) -> None:
    """Measure runs (PyTorch) or published models (ONNX), through the serving code's pre- and post-processing."""
    if record:
        if together or crops is not None or report or protocol or split != "validation":
            raise RecipeError("--record: manifests hold what a model alone gives on its validation split")
        for target in targets:
            _record(target)
        return
    if protocol:
        own = OwnPairs(pairs, images, detector) if pairs else None
        _evaluate_by_protocol(targets, protocol, own, as_json, report, pictures)
        return
    if pairs or as_json:
        raise RecipeError("--pairs and --json go with --protocol")
    subjects = [open_subject(target) for target in targets]
    if report and len(targets) > 1 and not together:
        raise RecipeError("--report is of one model: give one, or --ensemble")
    for subject in [ensemble(subjects)] if together else subjects:
        subject = subject if crops is None else average_crops(subject, crops)
        metrics = subject.measure(split)
        if len(targets) > 1:
            typer.echo(" + ".join(map(str, targets)) if together else str(subject.target))
        for metric in metrics:
            typer.echo(f"{metric.name:24} {metric.value:.4f}  ({metric.dataset}, {metric.split}, n={metric.n})")
        if report:
            subject.report(report, metrics, split, pictures=pictures)
            typer.echo(f"wrote {report}")


def _record(target: Path) -> None:
    for before, now in record_model(target):
        change = "" if before is None or before.value == now.value else f", was {before.value:.4f}"
        typer.echo(f"{now.name:24} {format_value(now)}{change}")
    typer.echo(f"wrote {target}")


def _evaluate_by_protocol(
    targets: list[Path], protocol: Protocol, own: OwnPairs | None, as_json: bool, report: Path | None, pictures: bool
) -> None:
    if report and len(targets) > 1:
        raise RecipeError("--report is of one model: give one")
    answers = {}
    for target in targets:
        outcome = run_protocol(target, protocol, own)
        answers[str(target)] = outcome.to_dict()
        if not as_json:
            print_metrics(outcome.metrics, str(target))
        if report:
            facts = {"measured": str(target), "protocol": protocol}
            write_report(report, f"{target}, {protocol}", facts, outcome.metrics, outcome.sections, pictures=pictures)
    if as_json:
        typer.echo(json.dumps({"protocol": protocol, "models": answers}, indent=1))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder that `fit` wrote.")],
    overrides: Override = [],  # noqa: B006
    models: Annotated[Path, typer.Option(help="Where models are published.")] = Path("exported_models"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a published model of this version.")
    ] = False,
) -> None:
    """Publish a run as <models>/<name>/<version>/: ONNX graph, checked, measured, with manifest, report and card.

    A face embedder is calibrated too. The version goes live whole; running services load it by themselves.
    """
    task, config = open_recipe(run, overrides)
    model = load_model(task, config, run)
    folder = publish_model(task, config, model, models, read_origin(run), replace=replace, run=run)
    for smaller in find_forms(folder)[1:] if replace else []:
        typer.echo(
            f"{smaller} was made of the model before: make it anew by `convoy-train quantize {folder}`", err=True
        )
    typer.echo(f"wrote {folder}")


@app.command()
def clean(
    model: Annotated[Path, typer.Argument(help="A run or a published face embedder; it looks at training images.")],
    out: Annotated[Path, typer.Option(help="The list, for a recipe's `exclude`.")],
    far: Annotated[float, typer.Option(help="Least cosine to the other images of a person.")] = Limits.far,
    same_person: Annotated[float, typer.Option(help="Cosine at which two names are one.")] = Limits.same_person,
) -> None:
    """List wrong labels and near-duplicates among the training faces, as a list that a recipe can leave out."""
    exclusions, faces = find_exclusions_of(model, Limits(far=far, same_person=same_person))
    write_exclusions(out, exclusions)
    counts = Counter(exclusion.reason for exclusion in exclusions)
    typer.echo(f"wrote {out}: {len(exclusions)} of {faces} images ({', '.join(f'{n} {r}' for r, n in counts.items())})")


@app.command()
def calibrate(
    model: Annotated[Path, typer.Argument(help="A published face embedder or segmenter, <model>/<version>.")],
    split: Annotated[
        Literal["train", "validation"], typer.Option(help="Of a segmenter: choose on `train`, look at `validation`.")
    ] = "train",
) -> None:
    """Measure how often two strangers reach a similarity, and write the table into a face embedder's manifest.

    Of a segmenter, show what each class_bias gives, and which one to put into the recipe.
    """
    if load_published(model).task is Task.SEGMENTATION:
        choices = measure_biases(model, split)
        for choice in choices:
            values = "  ".join(f"{name} {value:.4f}" for name, value in choice.values.items())
            typer.echo(f"{values}  class_bias: {list(choice.class_bias)}")
        if split == "train":
            typer.echo(f"choose class_bias: {list(choose_bias(choices).class_bias)}")
        return
    calibration = calibrate_model(model)
    for similarity, rate in zip(calibration.similarity, calibration.false_match_rate, strict=True):
        typer.echo(f"similarity {similarity:7.4f}  false-match rate {rate:.0e}")


@app.command()
def quantize(
    folder: Annotated[Path, typer.Argument(help="A published <model>/<version> folder.")],
    precision: Annotated[Precision, typer.Option(help="int8 for CPUs, float16 for GPUs.")] = "int8",
) -> None:
    """Publish a smaller form of a model beside it as <name>-int8 or <name>-fp16, and measure it again.

    INT8 is calibrated on training images; a face embedder's similarities are calibrated anew as well.
    """
    task, config = open_recipe(folder)
    typer.echo(f"wrote {quantize_model(task, config, folder, precision)}")


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="Published <model>/<version> folders.")],
    metrics: Shown = [],  # noqa: B006
) -> None:
    """Show published models side by side, with their smaller forms: accuracy as measured, size, speed here."""
    print_comparison([form for folder in folders for form in find_forms(folder)], metrics)


@app.command()
def scaling(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of face embedders.")],
    report: Annotated[Path | None, typer.Option(help="Also write the curves as HTML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, for scripts.")] = False,
) -> None:
    """Show what people, images, compute and the loss bring: one line a run, and the curves."""
    points = [read_point(run) for run in runs]
    if as_json:
        typer.echo(json.dumps(to_dicts(points), indent=1))
    else:
        print_points(points)
    if report:
        write_report(report, "Scaling of face embedders", {"runs": len(points)}, [], show_points(points))


@app.command()
def table(
    models: Annotated[Path, typer.Argument(help="The folder of published models.")] = Path("exported_models"),
) -> None:
    """Write the table of published models and their cards, README.md, from the manifests."""
    typer.echo(f"wrote {write_table(models)}")


@app.command()
def zoo(
    name: Annotated[
        str | None, typer.Argument(help="One architecture, layer by layer. Default: all, one a line.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, for scripts.")] = False,
) -> None:
    """Show what each architecture costs: parameters, multiply-adds, activation memory, receptive field."""
    print_layers(find_architecture(name), as_json) if name else print_zoo(as_json)


def main() -> None:
    """Runs the command; an expected error is one sentence and exit code 1."""
    try:
        app()
    except (TrainingError, ConvoyError) as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _give_up(problem: str) -> NoReturn:
    typer.echo(f"error: {' '.join(problem.split())}", err=True)
    sys.exit(1)
