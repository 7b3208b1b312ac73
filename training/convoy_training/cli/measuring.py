"""`evaluate` and its like: how good models are, and what they cost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy_training.choices import FAR, SAME_PERSON, Protocol
from convoy_training.cli.app import app
from convoy_training.cli.options import DETECTOR, EMBEDDER, OtherData, Override, Shown
from convoy_training.errors import RecipeError
from convoy_training.loading import loading

if TYPE_CHECKING:
    from convoy_training.protocols.liveness import Presented
    from convoy_training.protocols.run import Beside, OwnPairs


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
    live_label: Annotated[
        str, typer.Option(help="The label by which an anti-spoofing network means a living person.")
    ] = "live",
    min_liveness: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The liveness that a face must reach by --protocol liveness.")
    ] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON. Only with --protocol.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Measure on this folder or pack, in the place of the recipe's data. Photographs of your own, such as "
            "Set5: --data Set5 --split all."
        ),
    ] = None,
    overrides: Override = [],  # noqa: B006
    record: Annotated[bool, typer.Option("--record", help="Write the metrics into the published versions.")] = False,
    other_data: OtherData = False,
) -> None:
    """Measure runs (in PyTorch) or published versions (in ONNX Runtime), exactly as a service would answer."""
    with loading():
        from convoy_training.evaluation import average_crops, ensemble, open_subject
        from convoy_training.protocols.liveness import Presented
        from convoy_training.protocols.run import Beside, OwnPairs

    if record:
        if together or crops is not None or report or protocol or data or overrides or split != "validation":
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
    if data is not None and not data.exists():
        raise RecipeError(f"--data {data}: there is no such file or folder")
    subjects = [open_subject(target, other_data=other_data, data=data, overrides=overrides) for target in targets]
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
def compare(
    targets: Annotated[
        list[Path], typer.Argument(help="Published versions, <model>/<version>; or two of them or runs.")
    ],
    metrics: Shown = [],  # noqa: B006
    paired: Annotated[
        bool, typer.Option("--paired", help="Compare two on the same pictures, class by class. Two runs always are.")
    ] = False,
    split: Annotated[str, typer.Option(help="With --paired: the split of the data to compare on.")] = "validation",
    other_data: OtherData = False,
) -> None:
    """Show published models and their smaller forms side by side: metrics, size, and speed on this machine.

    Two runs, or two models with --paired: each metric of both, of single classes too, with the 95 % interval of the
    difference. Both answer the same pictures, so a small difference can be clear although their own intervals overlap.
    """
    with loading():
        from convoy_training.pairing import pair, print_pairs
        from convoy_training.publishing.comparison import find_forms, print_comparison
        from convoy_training.recipe_file import is_run

    if not (paired or (len(targets) == 2 and any(map(is_run, targets)))):
        print_comparison([form for folder in targets for form in find_forms(folder)], metrics)
        return
    if len(targets) != 2:
        raise RecipeError(f"--paired: name two runs or models, not {len(targets)}")
    pairs = pair(targets, split, other_data=other_data)
    print_pairs([one for one in pairs.differences if not metrics or one.name in metrics], list(map(str, targets)))
    if pairs.told:
        typer.echo(pairs.told)


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
def zoo(
    name: Annotated[
        str | None, typer.Argument(help="Show this architecture layer by layer. Default: all, one in each line.")
    ] = None,
    within: Annotated[
        str, typer.Option(help="Measure here which classifiers answer in this time, such as 5ms, on one CPU thread.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each architecture costs: parameters, multiply-adds, activation memory, receptive field."""
    if within and name:
        raise RecipeError("--within looks at all classifiers; leave the name out")
    with loading():
        from convoy_training.models.architecture import find_architecture
        from convoy_training.models.costs import print_layers, print_zoo
        from convoy_training.publishing.fitting import print_fitting, read_time_ms

    if within:
        print_fitting(read_time_ms(within), as_json)
        return
    print_layers(find_architecture(name), as_json) if name else print_zoo(as_json)
