"""`fit` and its like: training a recipe, and looking at its data and its learning rate before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from convoy_training.choices import Accelerator
from convoy_training.cli.app import app
from convoy_training.cli.options import Override, RecipeFile
from convoy_training.errors import INTERRUPTED
from convoy_training.loading import loading


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
    """Show what Convoy understands of a recipe's data: counts, oddities, and all faults at once.

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


@app.command(name="find-lr")
def find_lr(
    recipe_file: RecipeFile,
    overrides: Override = [],  # noqa: B006
    steps: Annotated[int, typer.Option(min=20, help="Train at most so many steps, each at a higher rate.")] = 100,
    accelerator: Annotated[Accelerator, typer.Option(help="The kind of device.")] = "auto",
    report: Annotated[Path | None, typer.Option(help="Also write the curve as an HTML page.")] = None,
) -> None:
    """Suggest a learning rate: it grows from step to step, and the suggestion is where the loss falls fastest.

    Nothing is kept. A rate a few times smaller is safer for long trainings.
    """
    with loading():
        from convoy_training.recipe_file import load_recipe
        from convoy_training.report.charts import Line, draw_lines
        from convoy_training.report.page import Section, write_report
        from convoy_training.runs.devices import open_fabric
        from convoy_training.runs.rate_finder import find_rate

    task, config = load_recipe(recipe_file, overrides)
    search = find_rate(task, config, open_fabric(accelerator, 1, config.precision), steps)
    for rate, loss in list(zip(search.rates, search.losses, strict=True))[:: max(1, len(search.rates) // 20)]:
        typer.echo(f"rate {rate:.2e}  loss {loss:.4f}")
    typer.echo(f"choose optimizer.lr: {search.suggest():.1e}")
    if report:
        chart = draw_lines([Line("", search.rates, search.losses)], "learning rate", "loss", log_x=True)
        sections = [Section("Learning rate", "The smoothed loss, one step at each rate.", [chart])]
        write_report(report, f"{config.name}: learning rate", {"suggested": f"{search.suggest():.1e}"}, [], sections)
        typer.echo(f"wrote {report}")


@app.command()
def sweep(
    recipe_file: RecipeFile,
    tries: Annotated[
        list[str],
        typer.Option(
            "--try",
            help="Values of a field: optimizer.lr=1e-4..1e-1, batch_size=8..64 or optimizer.name=[sgd, adamw]. "
            "Give it several times for several fields.",
        ),
    ],
    trials: Annotated[int, typer.Option(min=1, help="How many runs to make.")] = 20,
    folder: Annotated[Path | None, typer.Option(help="The folder of the runs. Default: runs/<recipe>-sweep.")] = None,
    overrides: Override = [],  # noqa: B006
    accelerator: Annotated[Accelerator, typer.Option(help="The kind of device.")] = "auto",
    seed: Annotated[int, typer.Option(help="The seed of what is drawn.")] = 0,
) -> None:
    """Try several values of a recipe's fields, a run each, and say which validates best (by the first metric).

    A second call goes on from what the folder holds. The best of many validations is a little too good.
    """
    with loading():
        from convoy_training.sweep import describe, parse_space
        from convoy_training.sweep import sweep as run_sweep

    place = folder or Path("runs") / f"{recipe_file.stem}-sweep"
    spaces = [parse_space(one) for one in tries]
    best, *_ = run_sweep(
        recipe_file, spaces, trials, place, overrides, seed, lambda line: typer.echo(line), accelerator
    )
    typer.echo(f"best: {describe(best)}")
