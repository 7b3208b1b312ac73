"""The training loop of all tasks, on Lightning Fabric (any device, any precision, several processes).

A run folder holds recipe.yaml (with defaults and `--set` applied), environment.json, notes.md (if the recipe has
notes), last.ckpt, provenance.json (what was trained on what), metrics.json and curves.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn
from tqdm import tqdm

from convoy_training.ahead import make_ahead
from convoy_training.errors import DivergenceError, LabelError, RecipeError
from convoy_training.origin import UNKNOWN, Origin
from convoy_training.recipe import Config
from convoy_training.recipe_file import RECIPE_FILE
from convoy_training.runs.best import open_best, read_best
from convoy_training.runs.checkpoint import FILE, load_checkpoint, save_checkpoint
from convoy_training.runs.companions import watching_companions
from convoy_training.runs.journal import Journal, open_journal
from convoy_training.runs.lock import hold
from convoy_training.runs.memory_format import put_channels_last
from convoy_training.runs.opening import check_run, open_run
from convoy_training.runs.pace import Pace
from convoy_training.runs.provenance import (
    as_checkpoint_entry,
    check_devices,
    describe_provenance,
    inherit,
    read_provenance,
    write_provenance,
)
from convoy_training.runs.recovery import start as start_with
from convoy_training.runs.schedule import build_average, build_optimizer, build_scheduler
from convoy_training.runs.shortage import telling_of_shortage
from convoy_training.runs.transfer import allow_single_values, freeze
from convoy_training.task import Metric, Predict, Task, make

METRICS = "metrics.json"
MADE_AHEAD = 2
"""Batches that are made while the loop trains on the one before."""


def fit(
    task: Task, config: Config, run: Path, *, resume: bool = False, fabric: Fabric | None = None,
    origin: Origin = UNKNOWN, look: Callable[[], None] = lambda: None, extend: bool = False,
) -> nn.Module:  # fmt: skip
    """Trains to the last epoch and returns the network to publish: of the best epoch, if the recipe validates between
    (the moving average, if it has one).

    look: called first, for example to show the data; what it raises ends the run. `resume` continues after the last
    whole epoch in `run`. On a CPU the result is the same, to the bit, as without the
    break. extend: the recipe may have more epochs than the run began with; the learning rate goes on as the longer
    training has it.
    """
    fabric = fabric or Fabric(accelerator="cpu", devices=1, precision=config.precision)
    fabric.launch()
    with hold(run) if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero:
            look()
        with watching_companions(fabric, run), telling_of_shortage(config, run):
            return _fit(task, take_normalisation(config, run, resume), run, resume, fabric, origin, extend)


def take_normalisation(config: Config, run: Path, resume: bool) -> Config:
    """The recipe with the mean and deviation of what it starts from, or of the run that it goes on with."""
    begun = resume and config.start_from and (run / RECIPE_FILE).exists()
    return inherit(config, run if begun else None)


def _fit(
    task: Task, config: Config, run: Path, resume: bool, fabric: Fabric, origin: Origin, extend: bool
) -> nn.Module:
    _announce(config, run, fabric)
    data = task.build_data(config)
    task.example_images(config)  # reads the validation split, so that its errors show now, not after training
    torch.manual_seed(config.seed)
    model: Any = put_channels_last(task.build_model(config))
    # Equal in all processes, which wait for each other at each step; each step takes `accumulate` batches.
    steps = len(data.train) // (fabric.world_size * config.accumulate)
    if not steps:
        examples = len(task.build_data(config.model_copy(update={"batch_size": 1})).train)
        asked = f"batch_size {config.batch_size} x {fabric.world_size} processes"
        asked += f" x accumulate {config.accumulate}" if config.accumulate > 1 else ""
        raise RecipeError(f"{asked}: an epoch has {examples} examples, fewer than one step takes")
    origin = check_run(config, run, data.digest, resume, origin, extend)
    if resume:
        check_devices(read_provenance(run), fabric.world_size, run)
    provenance = describe_provenance(task, config, data.digest, fabric.world_size)
    fabric.barrier()  # so that no process reads what another is writing
    if fabric.is_global_zero:
        open_run(config, run, data.digest, replace(origin, taught_by=data.taught_by))
    fabric.barrier()
    if data.keep_in:
        data.keep_in(run)
    if not (resume and (run / FILE).exists()):  # a checkpoint already holds these weights
        start_with(task, config, model, data.train)
    freeze(model, config.trainable)
    if config.batch_size == 1:
        allow_single_values(model)
    optimizer: Any = build_optimizer(model, config.optimizer)
    scheduler = build_scheduler(optimizer, config.optimizer, steps * config.epochs)
    model, optimizer = fabric.setup(model, optimizer)
    average = build_average(model.module, config)
    state = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    state |= {"average": average} if average else {}
    start = load_checkpoint(fabric, run, state) if resume else 0
    curves = open_journal(config, run, start * steps) if fabric.is_global_zero else Journal([])
    published = average.module if average else model.module
    best = open_best(run, resume) if fabric.is_global_zero else None
    done, spent, pace = start, list[float](), Pace(config.validate_every, config.validate_share)
    for epoch in range(start, config.epochs):
        if fabric.broadcast(best is not None and best.is_stale(epoch, config.patience)):
            fabric.print(f"stopped after epoch {epoch}: no better validation in {config.patience} epochs", flush=True)
            break
        fabric.seed_everything(config.seed + 1_000_003 * epoch, verbose=False)
        model.train()
        share = _share(data.train(epoch), steps * config.accumulate, fabric)
        bar = tqdm(range(epoch * steps, (epoch + 1) * steps), desc=f"epoch {epoch + 1}/{config.epochs}",
                   disable=not sys.stderr.isatty() or not fabric.is_global_zero)  # fmt: skip
        began, losses = time.monotonic(), []
        for step in bar:
            loss, parts = _learn(task, config, model, itertools.islice(share, config.accumulate), fabric, step)
            if config.optimizer.clip_norm:
                fabric.clip_gradients(model, optimizer, max_norm=config.optimizer.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            if average:
                average.update_parameters(model.module)
            losses.append(loss)
            curves.log_metrics({"loss": losses[-1], "lr": float(scheduler.get_last_lr()[0]), **parts}, step)
            bar.set_postfix(loss=f"{losses[-1]:.3f}")
        if fabric.is_global_zero and (changed := data.find_change()):
            told = f"it was changed during epoch {epoch + 1}, which is not kept: bring it back, then --resume"
            raise LabelError(changed, None, told)
        save_checkpoint(fabric, run, {**state, **as_checkpoint_entry(provenance, epoch + 1)}, epoch + 1)
        if fabric.is_global_zero:
            write_provenance(provenance.model_copy(update={"epochs": epoch + 1}), run)
        done = epoch + 1
        spent.append(time.monotonic() - began)
        told = f"epoch {epoch + 1}/{config.epochs} loss {np.mean(losses):.4f} {spent[-1]:.0f} s"
        left_s = float(np.median(spent)) * (config.epochs - done)  # validations come on top
        fabric.print(f"{told}, about {_tell_time(left_s)} left" if left_s else told, flush=True)
        if best is not None and epoch + 1 < config.epochs and pace.is_due(epoch + 1, spent[-1]):
            with pace:
                metrics = _validate(task, config, published, run, curves, (epoch + 1) * steps)
            best.take(published, metrics, epoch + 1)
    if best is not None:  # even if no epoch was left, since a run may have ended just before this
        metrics = _validate(task, config, published, run, curves, done * steps)
        if config.validates_between:
            best.take(published, metrics, done)
            provenance = provenance.model_copy(update={"epochs": done, "planned": done, "best": best.epoch})
            write_provenance(provenance, run)
            _publish_best(config, published, run, done, metrics)
    curves.close()
    return published


def _learn(
    task: Task, config: Config, model: Any, batches: Iterator[Any], fabric: Fabric, step: int
) -> tuple[float, dict[str, float]]:
    """Adds up the gradients of a step's batches; returns the mean loss, and the means of its parts."""
    count, total, sums = config.accumulate, 0.0, dict[str, float]()
    for place, batch in enumerate(batches, 1):
        with fabric.no_backward_sync(model, enabled=place < count):
            loss, parts = task.compute_loss(model, batch, config)
            if not torch.isfinite(loss):
                raise DivergenceError(f"the loss is {loss.item()} at step {step}: lower optimizer.lr or set clip_norm")
            fabric.backward(loss / count if count > 1 else loss)
        total += loss.item() / count
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value.item() / count
    return total, sums


def _announce(config: Config, run: Path, fabric: Fabric) -> None:
    """Says what is about to begin, since reading the data may take minutes."""
    where = f"{fabric.world_size} x {fabric.device.type}" if fabric.world_size > 1 else fabric.device.type
    told = f"training {config.name} ({config.task}) on {where}, epochs: {config.epochs}, run folder: {run}"
    fabric.print(told, flush=True)


def build_predict(task: Task, config: Config, model: nn.Module) -> Predict:
    """Wraps the PyTorch graph as a function of NumPy arrays."""
    graph = task.build_graph(model, config).eval()
    outputs = task.describe(config).outputs

    @torch.inference_mode()
    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        result = graph(torch.from_numpy(np.ascontiguousarray(images)))
        tensors = result if isinstance(result, tuple) else (result,)
        return {name: tensor.numpy() for name, tensor in zip(outputs, tensors, strict=True)}

    return predict


def _share(batches: Iterator[Any], steps: int, fabric: Fabric) -> Iterator[Any]:
    """Gives a process its share of the batches, `steps` of them; all processes draw the same batches.

    A batch that comes as a function is made here in a separate thread, while the loop trains on the one before it.
    """
    own = itertools.islice(batches, fabric.global_rank, steps * fabric.world_size, fabric.world_size)
    with ThreadPoolExecutor(1, "batches") as maker:
        for batch in make_ahead(make, own, maker, MADE_AHEAD):
            yield fabric.to_device(batch)


def _tell_time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def read_metrics(run: Path) -> list[Metric]:
    """Reads the last validation of a run folder; raises RecipeError."""
    file = run / METRICS
    try:
        return [Metric(**fields) for fields in json.loads(file.read_text("utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        again = f"`convoy-train fit {run / RECIPE_FILE} --run {run} --resume` measures again"
        raise RecipeError(f"{file} cannot be read: {error}. {again}") from error


def _publish_best(config: Config, model: nn.Module, run: Path, done: int, last: Sequence[Metric]) -> None:
    """Gives the network the weights of the best epoch, and the run its metrics, and says so."""
    stored = read_best(run)
    if stored is None or stored["epoch"] == done or config.publish == "last":
        kind = "the last" if config.publish == "last" else "the best and the last"
        print(f"published: epoch {done}, {kind}", flush=True)
        return
    model.load_state_dict(stored["model"])
    first = json.loads(stored["metrics"])[0]
    (run / METRICS).write_text(json.dumps(json.loads(stored["metrics"]), indent=2) + "\n")
    told = f"the best by {first['name']} ({first['value']:.4f}; the last has {last[0].value:.4f})"
    print(f"published: epoch {stored['epoch']} of {done}, {told}; `publish: last` takes the last", flush=True)


def _validate(task: Task, config: Config, model: nn.Module, run: Path, curves: Journal, step: int) -> Sequence[Metric]:
    metrics = task.evaluate(build_predict(task, config, model), config, "validation")
    curves.log_metrics({f"validation/{m.name}": m.value for m in metrics}, step)
    print("validation " + " ".join(f"{m.name} {m.value:.4f}" for m in metrics), flush=True)
    (run / METRICS).write_text(json.dumps([asdict(m) for m in metrics], indent=2) + "\n")
    return metrics
