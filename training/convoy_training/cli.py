"""The commands of `convoy-train`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task

from convoy_training.choices import FAR, SAME_PERSON, Accelerator, Form, Protocol
from convoy_training.errors import INTERRUPTED, RecipeError, TrainingError
from convoy_training.loading import loading

if TYPE_CHECKING:
    from convoy_training.protocols.liveness import Presented
    from convoy_training.protocols.run import Beside, OwnPairs

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, measure and publish the models that Convoy serves. Data is also looked for in the folder CONVOY_DATA.",
)

RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file: training/recipes/bccd-yolo.yaml.")]
DETECTOR = Path("exported_models/face-detector-nano/1")
EMBEDDER = Path("exported_models/face-embedder/2")
Shown = Annotated[
    list[str],
    typer.Option("--metric", help="Show this metric. Give it several times for several. Default: each model's first."),
]
OtherData = Annotated[
    bool,
    typer.Option("--other-data", help="Measure on purpose on other data than it was trained on. The classes stay."),
]
Override = Annotated[
    list[str],
    typer.Option("--set", help="Set a field of the recipe: --set optimizer.lr=0.1. Give it several times for several."),
]


@app.command()
def fit(
    recipe_file: RecipeFile,
    overrides: Override = [],  # noqa: B006 (typer reads the default, nobody writes to it)
    run: Annotated[Path | None, typer.Option(help="The folder of the run. Default: runs/<name>.")] = None,
    resume: Annotated[bool, typer.Option(help="Continue from the last complete epoch in the run folder.")] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="The kind of device.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="How many devices. Each gets its own process.")] = 1,
    epochs: Annotated[
        str, typer.Option(help="Train so many epochs. With --resume, `+10` goes on from a finished run for ten more.")
    ] = "",
) -> None:
    """Train a recipe, measure the result on the validation split, and write report.html into the run folder."""
    with loading():
        from convoy_training.evaluation import Subject
        from convoy_training.inspection.counts import examine
        from convoy_training.inspection.lines import describe as describe_data
        from convoy_training.origin import describe_origin, write_command
        from convoy_training.recipe_file import load_recipe
        from convoy_training.report import REPORT
        from convoy_training.runs.checkpoint import FILE as CHECKPOINT
        from convoy_training.runs.devices import open_fabric
        from convoy_training.runs.loop import build_predict, read_metrics, take_normalisation
        from convoy_training.runs.loop import fit as fit_model
        from convoy_training.runs.memory import keep_freed_memory
        from convoy_training.runs.opening import count_epochs

    task, config = load_recipe(recipe_file, overrides)
    keep_freed_memory()
    fabric = open_fabric(accelerator, devices, config.precision)
    folder = run or Path("runs") / config.name
    extend = bool(epochs) and resume
    if epochs:
        config = config.model_copy(update={"epochs": count_epochs(epochs, folder, resume)})
        overrides = [*overrides, *([] if extend else [f"epochs={config.epochs}"])]
    config = take_normalisation(config, folder, resume)
    command = write_command(recipe_file, overrides, accelerator, devices)
    command += f" --resume --epochs {epochs}" if extend else ""
    origin = describe_origin(recipe_file, command, config.start_from)

    def look() -> None:
        summary = examine(task, config)
        if summary.found.faults and summary.on_error == "refuse":
            raise summary.found.to_error()
        for line in describe_data(summary):
            typer.echo(line)

    try:
        model = fit_model(task, config, folder, resume=resume, fabric=fabric, origin=origin, look=look, extend=extend)
    except KeyboardInterrupt:
        if fabric.is_global_zero:
            reached = (folder / CHECKPOINT).exists()
            told = (
                f"--resume continues from the last complete epoch in {folder}"
                if reached
                else "no epoch is complete yet"
            )
            typer.echo(f"interrupted: {told}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if fabric.is_global_zero:
        subject = Subject(folder, task, config, build_predict(task, config, model))
        subject.report(folder / REPORT, read_metrics(folder), "validation")
        typer.echo(f"wrote {folder / REPORT}")


@app.command()
def data(
    recipe_file: RecipeFile,
    overrides: Override = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Also write an HTML page: pictures with their labels, the rarest classes first.")
    ] = None,
) -> None:
    """Show what was understood of a recipe's data: counts, oddities, and all faults at once.

    The exit code is 1 if there is a fault that `fit` would refuse.
    """
    with loading():
        from convoy_training.inspection.counts import examine
        from convoy_training.inspection.lines import describe as describe_data
        from convoy_training.inspection.page import write_page
        from convoy_training.recipe_file import load_recipe

    task, config = load_recipe(recipe_file, overrides)
    summary = examine(task, config, alike=True)
    if as_json:
        typer.echo(json.dumps(summary.to_dict(), indent=1, ensure_ascii=False))
    else:
        for line in describe_data(summary, whole=True):
            typer.echo(line)
    if report:
        write_page(summary, report)
        typer.echo(f"wrote {report}", err=as_json)
    if summary.found.faults and summary.on_error == "refuse":
        told = "mend them, or leave those pictures out with `--set data.on_error=skip`"
        typer.echo(f"error: {len(summary.found.faults):,} faults: {told}", err=True)
        raise typer.Exit(1)


@app.command()
def evaluate(
    targets: Annotated[list[Path], typer.Argument(help="Run folders, or published versions: <model>/<version>.")],
    split: Annotated[str, typer.Option(help="The split of the data to measure on.")] = "validation",
    together: Annotated[
        bool, typer.Option("--ensemble", help="Average the models' answers, instead of measuring one by one.")
    ] = False,
    crops: Annotated[
        int | None, typer.Option(help="Average a classifier's answers over 1, 5 or 10 crops of each picture.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write an HTML report: curves, confusions, mistakes.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Show pictures in the report.")] = True,
    protocol: Annotated[Protocol | None, typer.Option(help="Measure a model of faces by this protocol.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Your own pairs of photos: a file with lines `one.jpg other.jpg 1`, or in LFW's format."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the photos in --pairs; for --protocol liveness, one with live/ and attack/<kind>/."
        ),
    ] = None,
    detector: Annotated[
        Path, typer.Option(help="The face detector for --images, and beside an embedder or an anti-spoofing network.")
    ] = DETECTOR,
    embedder: Annotated[
        Path, typer.Option(help="The face embedder beside a detector by --protocol size or enrolment.")
    ] = EMBEDDER,
    live_label: Annotated[str, typer.Option(help="The label of an anti-spoofing network that means alive.")] = "live",
    min_liveness: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The liveness that a face must reach by --protocol liveness.")
    ] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. Only with --protocol.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the metrics into the published versions.")] = False,
    other_data: OtherData = False,
) -> None:
    """Measure runs (in PyTorch) or published versions (in ONNX Runtime), exactly as a service would answer."""
    with loading():
        from convoy_training.evaluation import average_crops, ensemble, open_subject
        from convoy_training.protocols.liveness import Presented
        from convoy_training.protocols.run import Beside, OwnPairs

    if record:
        if together or crops is not None or report or protocol or split != "validation":
            raise RecipeError(
                "--record: a manifest holds what one model reaches on its validation split; leave the other options out"
            )
        for target in targets:
            _record(target, other_data)
        return
    if protocol:
        own = OwnPairs(pairs, images or Path(), detector) if pairs else None
        presented = Presented(images, live_label, min_liveness) if images else None
        _evaluate_by_protocol(targets, protocol, Beside(detector, embedder), own, presented, as_json, report, pictures)
        return
    if pairs or as_json:
        raise RecipeError("--pairs and --json need --protocol")
    subjects = [open_subject(target, other_data=other_data) for target in targets]
    if report and len(targets) > 1 and not together:
        raise RecipeError("--report shows one model: name one, or add --ensemble")
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


def _record(target: Path, other_data: bool) -> None:
    with loading():
        from convoy_training.publishing.recording import record as record_model
        from convoy_training.report.numbers import format_value

    for before, now in record_model(target, other_data=other_data):
        change = "" if before is None or before.value == now.value else f", was {before.value:.4f}"
        typer.echo(f"{now.name:24} {format_value(now)}{change}")
    typer.echo(f"wrote {target}")


def _evaluate_by_protocol(
    targets: list[Path],
    protocol: Protocol,
    beside: Beside,
    own: OwnPairs | None,
    presented: Presented | None,
    as_json: bool,
    report: Path | None,
    pictures: bool,
) -> None:
    with loading():
        from convoy_training.protocols.run import run_protocol
        from convoy_training.protocols.subject import print_metrics
        from convoy_training.report.page import write_report

    if report and len(targets) > 1:
        raise RecipeError("--report shows one model: name one")
    answers = {}
    for target in targets:
        outcome = run_protocol(target, protocol, beside, own, presented)
        answers[str(target)] = outcome.to_dict()
        if not as_json:
            print_metrics(outcome.metrics, str(target))
        if report:
            facts = {"measured": str(target), "protocol": protocol}
            write_report(report, f"{target}, {protocol}", facts, outcome.metrics, outcome.sections, pictures=pictures)
    if as_json:
        typer.echo(json.dumps({"protocol": protocol, "models": answers}, indent=1))


@app.command(name="fit-likeness")
def fit_second_opinion(
    out: Annotated[Path, typer.Option(help="The folder to write likeness.npz and likeness.json into.")],
    detector: Annotated[Path, typer.Option(help="The face detector whose mistakes it learns.")] = DETECTOR,
    seed: Annotated[int, typer.Option(help="The seed of everything that is drawn.")] = 0,
) -> None:
    """Fit the faces service's second opinion on what a detector takes for a face; it lies in services/convoy/faces."""
    with loading():
        from convoy_training.likeness import fit_likeness

    command = f"convoy-train fit-likeness --out {out} --detector {detector} --seed {seed}"
    for kind, measured in fit_likeness(detector, out, command, seed)["measured"].items():
        typer.echo(f"{kind:24} wrong {measured['wrong']:.4f}  (n={measured['n']})")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    overrides: Override = [],  # noqa: B006
    models: Annotated[Path, typer.Option(help="The folder of models to publish into.")] = Path("exported_models"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace this version if it is published already.")
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Publish a run that was cut, as far as it was trained.")
    ] = False,
    other_data: OtherData = False,
) -> None:
    """Publish a run as <models>/<name>/<version>/: ONNX graph, checked, measured, with manifest, report and card.

    A face embedder is calibrated too. The version goes live whole; running services load it by themselves.
    """
    with loading():
        from convoy_training.origin import read_origin
        from convoy_training.publishing.comparison import find_forms
        from convoy_training.publishing.publication import publish_model
        from convoy_training.recipe_file import open_recipe
        from convoy_training.runs.checkpoint import load_model
        from convoy_training.runs.provenance import check_provenance, refuse_unfinished

    task, config = open_recipe(run, overrides)
    provenance = check_provenance(run, task, config, other_data=other_data)
    refuse_unfinished(provenance, run, unfinished)
    model = load_model(task, config, run)
    folder = publish_model(
        task, config, model, models, read_origin(run), replace=replace, run=run, provenance=provenance
    )
    for smaller in find_forms(folder)[1:] if replace else []:
        typer.echo(
            f"{smaller} was made from the model that you replaced: run `convoy-train quantize {folder}` again", err=True
        )
    typer.echo(f"wrote {folder}")


@app.command()
def clean(
    model: Annotated[
        Path, typer.Argument(help="The face embedder, a run or a published version, that looks at the training faces.")
    ],
    out: Annotated[Path, typer.Option(help="The list to write, for the field `exclude` of a recipe.")],
    far: Annotated[
        float, typer.Option(help="List a picture that is less similar than this to the person's others.")
    ] = FAR,
    same_person: Annotated[float, typer.Option(help="Two names from this similarity on are one person.")] = SAME_PERSON,
) -> None:
    """List wrong labels and near-duplicates among the training faces. A recipe can leave out what is on the list."""
    with loading():
        from convoy_training.cleaning import Limits
        from convoy_training.cleaning import clean as find_exclusions_of
        from convoy_training.data.exclusions import write_exclusions

    exclusions, faces = find_exclusions_of(model, Limits(far=far, same_person=same_person))
    write_exclusions(out, exclusions)
    counts = Counter(exclusion.reason for exclusion in exclusions)
    typer.echo(f"wrote {out}: {len(exclusions)} of {faces} images ({', '.join(f'{n} {r}' for r, n in counts.items())})")


@app.command()
def calibrate(
    model: Annotated[Path, typer.Argument(help="The published face embedder or segmenter: <model>/<version>.")],
    split: Annotated[
        Literal["train", "validation"],
        typer.Option(help="Only for a segmenter: `train` to choose, `validation` to look."),
    ] = "train",
    other_data: OtherData = False,
) -> None:
    """Measure how often two strangers reach a similarity and one person's photos do not, for its manifest.

    The graph and its digest stay, so galleries that it made go on.
    For a segmenter, show what each class_bias gives, and which one to put into the recipe.
    """
    with loading():
        from convoy_training.publishing.calibrate import calibrate_model
        from convoy_training.publishing.class_bias import choose_bias, measure_biases
        from convoy_training.recipe_file import load_published

    if load_published(model).task is Task.SEGMENTATION:
        choices = measure_biases(model, split, other_data=other_data)
        for choice in choices:
            values = "  ".join(f"{name} {value:.4f}" for name, value in choice.values.items())
            typer.echo(f"{values}  class_bias: {list(choice.class_bias)}")
        if split == "train":
            typer.echo(f"choose class_bias: {list(choose_bias(choices).class_bias)}")
        return
    calibration = calibrate_model(model)
    for similarity, rate in zip(calibration.similarity, calibration.false_match_rate, strict=True):
        typer.echo(f"similarity {similarity:7.4f}  false-match rate {rate:.0e}")
    if genuine := calibration.genuine:
        for similarity, rate in zip(genuine.similarity, genuine.false_non_match_rate, strict=True):
            typer.echo(f"similarity {similarity:7.4f}  false non-match rate {rate:.3g}")


@app.command()
def quantize(
    folder: Annotated[Path, typer.Argument(help="The published version: <model>/<version>.")],
    precision: Annotated[Form, typer.Option(help="int8 for CPUs, float16 for GPUs.")] = "int8",
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Refuse the form if any metric, of single classes too, falls further: 0.02."),
    ] = None,
    other_data: OtherData = False,
) -> None:
    """Publish a smaller form of a model beside it, <name>-int8 or <name>-fp16, and show what each metric loses.

    INT8 takes its number ranges from training pictures. A face embedder is calibrated again.
    """
    with loading():
        from convoy_training.publishing.drops import describe_drops
        from convoy_training.publishing.quantize import quantize_model
        from convoy_training.recipe_file import load_published, open_recipe

    task, config = open_recipe(folder)
    smaller = quantize_model(task, config, folder, precision, max_drop=max_drop, other_data=other_data)
    for line in describe_drops(load_published(folder).metrics, load_published(smaller).metrics):
        typer.echo(line)
    typer.echo(f"wrote {smaller}")


@app.command()
def convert(
    architecture: Annotated[str, typer.Argument(help="The architecture that the weights belong to; see `zoo`.")],
    weights: Annotated[Path, typer.Argument(help="The weights, as torch.save writes them: mobilenet_v2.pth.")],
    out: Annotated[Path, typer.Argument(help="The ONNX file to write, for `convoy model import`.")],
) -> None:
    """Write weights that others published for a classifier of ours as ONNX. No code of the file runs."""
    with loading():
        from convoy_training.publishing.convert import convert_weights

    difference = convert_weights(architecture, weights, out)
    typer.echo(f"wrote {out}; ONNX Runtime differs from PyTorch by {difference:.1e}")


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="The published versions: <model>/<version>.")],
    metrics: Shown = [],  # noqa: B006
) -> None:
    """Show published models and their smaller forms side by side: metrics, size, and speed on this machine."""
    with loading():
        from convoy_training.publishing.comparison import find_forms, print_comparison

    print_comparison([form for folder in folders for form in find_forms(folder)], metrics)


@app.command()
def scaling(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of face embedders.")],
    report: Annotated[Path | None, typer.Option(help="Also write the curves as HTML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what more people, pictures, computing and another loss bring: a line for each run."""
    with loading():
        from convoy_training.report.page import write_report
        from convoy_training.scaling import print_points, read_point, show_points, to_dicts

    points = [read_point(run) for run in runs]
    if as_json:
        typer.echo(json.dumps(to_dicts(points), indent=1))
    else:
        print_points(points)
    if report:
        write_report(report, "Scaling of face embedders", {"runs": len(points)}, [], show_points(points))


@app.command()
def table(
    models: Annotated[Path, typer.Argument(help="The folder of models.")] = Path("exported_models"),
) -> None:
    """Write README.md, the table of all models, and each model's card from the manifests."""
    with loading():
        from convoy_training.publishing.card import write_table

    typer.echo(f"wrote {write_table(models)}")


@app.command()
def zoo(
    name: Annotated[
        str | None, typer.Argument(help="Show this architecture layer by layer. Default: all, one in each line.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each architecture costs: parameters, multiply-adds, activation memory, receptive field."""
    with loading():
        from convoy_training.models.architecture import find_architecture
        from convoy_training.models.costs import print_layers, print_zoo

    print_layers(find_architecture(name), as_json) if name else print_zoo(as_json)


def main() -> None:
    """Runs the command; an expected error is one sentence and exit code 1."""
    try:
        app()
    except (TrainingError, ConvoyError) as error:
        if detail := getattr(error, "detail", ""):
            typer.echo(detail, err=True)
        _give_up(str(error))
    except OSError as error:
        _give_up(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _give_up(problem: str) -> NoReturn:
    typer.echo(f"error: {' '.join(problem.split())}", err=True)
    sys.exit(1)
