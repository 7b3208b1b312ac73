"""`export` and its like: from a run, or from weights of others, to a published model and its smaller forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from convoy.core.manifest import Task

from convoy_training.choices import Form
from convoy_training.cli.app import app
from convoy_training.cli.options import DETECTOR, OtherData, Override
from convoy_training.errors import RecipeError
from convoy_training.loading import loading


@app.command()
def export(
    runs: Annotated[list[Path], typer.Argument(help="The folder of a run; several with --ensemble.")],
    overrides: Override = [],  # noqa: B006
    models: Annotated[Path, typer.Option(help="The folder of models to publish into.")] = Path("exported_models"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace this version if it is published already.")
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Publish a run that was cut, as far as it was trained.")
    ] = False,
    together: Annotated[
        bool, typer.Option("--ensemble", help="Publish several runs as one graph that averages their answers.")
    ] = False,
    other_data: OtherData = False,
) -> None:
    """Publish a run as <models>/<name>/<version>/: ONNX graph, checked, measured, with manifest, report and card.

    A face embedder is calibrated too. The version goes live whole; running services load it by themselves.
    An ensemble has the first run's recipe and its name with -ensemble; choose another with --set name=NAME.
    A classifier looks at several crops with --set crops=5, or 10 with their mirror images.
    """
    if len(runs) != 1 and not together:
        raise RecipeError("export publishes one run; give several with --ensemble")
    with loading():
        from convoy_training.origin import read_origin
        from convoy_training.publishing.comparison import find_forms
        from convoy_training.publishing.ensemble import Member, publish_ensemble
        from convoy_training.publishing.publication import publish_model
        from convoy_training.recipe_file import open_recipe
        from convoy_training.runs.checkpoint import load_model
        from convoy_training.runs.provenance import check_provenance, refuse_unfinished

    members = []
    for run in runs:
        task, config = open_recipe(run, overrides)
        provenance = check_provenance(run, task, config, other_data=other_data)
        refuse_unfinished(provenance, run, unfinished)
        members.append(Member(run, task, config, load_model(task, config, run)))
    if together:
        named = any(override.partition("=")[0] == "name" for override in overrides)
        first = members[0].config
        config = first if named else first.model_copy(update={"name": f"{first.name}-ensemble"})
        folder = publish_ensemble(members, models, config, replace_it=replace)
    else:
        origin = read_origin(run)
        folder = publish_model(
            task, config, members[0].model, models, origin, replace=replace, run=run, provenance=provenance
        )
    for smaller in find_forms(folder)[1:] if replace else []:
        typer.echo(
            f"{smaller} was made from the model that you replaced: run `convoy-train quantize {folder}` again", err=True
        )
    typer.echo(f"wrote {folder}")


@app.command()
def embedder(
    target: Annotated[Path, typer.Argument(help="A classifier: a run's folder, or a published <model>/<version>.")],
    name: Annotated[str, typer.Option(help="The name of the embedder.")],
    models: Annotated[Path, typer.Option(help="The folder of models to publish into.")] = Path("exported_models"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace this version if it is published already.")
    ] = False,
) -> None:
    """Publish what a classifier computes before its last layer, as an embedder of things. Nothing is trained."""
    with loading():
        from convoy_training.publishing.embedder import publish_embedder

    typer.echo(f"wrote {publish_embedder(target, name, models, replace=replace)}")


@app.command()
def calibrate(
    model: Annotated[Path, typer.Argument(help="The published face embedder or segmenter: <model>/<version>.")],
    split: Annotated[
        Literal["train", "validation"],
        typer.Option(help="Only for a segmenter: `train` to choose, `validation` to look."),
    ] = "train",
    other_data: OtherData = False,
) -> None:
    """Measure how often strangers reach a similarity, and how often one person's photos do not. The manifest keeps it.

    The graph and its digest stay, so the model's galleries keep working.
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
def table(
    models: Annotated[Path, typer.Argument(help="The folder of models.")] = Path("exported_models"),
) -> None:
    """Write README.md, the table of all models, and each model's card from the manifests."""
    with loading():
        from convoy_training.publishing.card import write_table

    typer.echo(f"wrote {write_table(models)}")


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


@app.command(name="fit-visibility")
def fit_opinion_on_occluders(
    out: Annotated[Path, typer.Option(help="The folder to write visibility.npz and visibility.json into.")],
    seed: Annotated[int, typer.Option(help="The seed of everything that is drawn.")] = 0,
) -> None:
    """Fit the faces service's opinion on whether something covers a face; it lies in services/convoy/faces."""
    with loading():
        from convoy_training.visibility import fit_visibility

    card = fit_visibility(out, f"convoy-train fit-visibility --out {out} --seed {seed}", seed)
    for title, part in (("", card["measured"]), ("learnt from blobs alone: ", card["learnt_from_blobs_alone"])):
        for kind, measured in part.items():
            typer.echo(f"{title + kind:40} wrong {measured['wrong']:.4f}  (n={measured['n']})")
