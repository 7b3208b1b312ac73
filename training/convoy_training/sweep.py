"""Tries several values of a recipe's fields, each as a run of its own, and says which validates best.

Optuna (an extra, `convoy-vision-training[sweep]`) draws the values: the first at random, later ones near the good ones.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from convoy_training.errors import RecipeError
from convoy_training.recipe_file import load_recipe
from convoy_training.runs.loop import read_metrics
from convoy_training.task import is_error

RESULTS = "sweep.csv"
JOURNAL = "sweep.journal"
SPACES = "spaces"


@dataclass(frozen=True)
class Space:
    """The values of one field: `choices`, or a range from `low` to `high`, by logarithm if it spans a factor of ten."""

    field: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False

    def draw(self, trial: Any) -> Any:
        """A value of an Optuna trial."""
        if self.choices:
            return self.choices[trial.suggest_categorical(self.field, list(range(len(self.choices))))]
        log = self.low > 0 and self.high / self.low >= 10
        if self.whole:
            return trial.suggest_int(self.field, int(self.low), int(self.high), log=log)
        return trial.suggest_float(self.field, self.low, self.high, log=log)


def parse_space(text: str) -> Space:
    """`optimizer.lr=1e-4..1e-1`, `batch_size=8..64` (whole numbers) or `optimizer.name=[sgd, adamw]`."""
    field, separator, values = text.partition("=")
    if not separator:
        raise RecipeError(f"--try {text}: write it as field=low..high or field=[one, other]")
    low, dots, high = values.partition("..")
    try:
        if dots:
            ends = float(low), float(high)
            if not all(map(math.isfinite, ends)):
                raise RecipeError(f"--try {text}: give two numbers")
            if ends[0] >= ends[1]:
                raise RecipeError(f"--try {text}: write the smaller number first")
            return Space(field, low=ends[0], high=ends[1], whole=all(end.strip().isdecimal() for end in (low, high)))
        choices = yaml.safe_load(values)
    except (ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"--try {text}: {error}") from error
    if not isinstance(choices, list) or len(choices) < 2:
        raise RecipeError(f"--try {text}: give a range low..high, or a list of at least two values")
    return Space(field, tuple(choices))


@dataclass(frozen=True)
class Trial:
    """One run: its folder, the values that it was given, and its first metric (None if it failed)."""

    run: Path
    values: dict[str, Any]
    metric: str = ""
    value: float | None = None


def sweep(
    recipe: Path, spaces: Sequence[Space], trials: int, folder: Path, fixed: Sequence[str] = (), seed: int = 0,
    tell: Callable[[str], None] = print, accelerator: str = "auto",
) -> list[Trial]:  # fmt: skip
    """Runs `convoy-train fit` for each trial; what was tried before in `folder` counts. Returns them, the best first.

    Raises RecipeError if Optuna is not installed, or if no trial came to its end.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ModuleNotFoundError as error:
        told = "pip install 'convoy-vision-training[sweep]'"
        raise RecipeError(f"sweep: optuna is not installed: {told}") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    check_spaces(recipe, spaces, fixed)
    folder.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    study = optuna.create_study(storage=storage, study_name="sweep", load_if_exists=True)
    begun, asked = study.user_attrs.get(SPACES), [repr(space) for space in spaces]
    drawn = [set(trial.params) for trial in study.trials if trial.params]
    # A sweep of an older version does not say how it was begun, but what it has drawn.
    if begun not in (None, asked) or any(names != {space.field for space in spaces} for names in drawn):
        raise RecipeError(f"{folder}: this sweep was begun with other --try: choose another one with --folder")
    check_folder(folder, len(study.trials), trials)
    study.set_user_attr(SPACES, asked)
    # A sweep that goes on must not draw its first values again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    done = read_results(folder / RESULTS, spaces)
    before = len(done)
    for _ in range(trials):
        trial = study.ask()
        values = {space.field: space.draw(trial) for space in spaces}
        one = run_trial(recipe, values, folder / f"{trial.number:03}", fixed, accelerator)
        done.append(one)
        if one.value is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, one.value if is_error(one.metric) else -one.value)  # smaller is better
        tell(describe(one))
        _note(folder / RESULTS, one, spaces)
    finished = [one for one in done if one.value is not None]
    if not any(one.value is not None for one in done[before:]):
        raise RecipeError(f"no trial came to its end; {done[-1].run}.log says why")
    return sorted(finished, key=lambda one: (one.value or 0.0) * (1 if is_error(one.metric) else -1))


def run_trial(recipe: Path, values: dict[str, Any], run: Path, fixed: Sequence[str], accelerator: str) -> Trial:
    """One run in a process of its own; what it prints lies beside its folder."""
    given = [f"{name}={json.dumps(value)}" for name, value in values.items()]  # JSON is YAML
    words = [sys.executable, "-m", "convoy_training", "fit", str(recipe), "--run", str(run)]
    words += ["--accelerator", accelerator]
    for one in (*fixed, *given):
        words += ["--set", one]
    with Path(f"{run}.log").open("w") as log:
        code = subprocess.run(words, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        return Trial(run, values)
    first = next(iter(read_metrics(run)), None)
    if first is None:
        return Trial(run, values)
    return Trial(run, values, first.name, first.value if math.isfinite(first.value) else None)


def check_folder(folder: Path, first: int, trials: int) -> None:
    """Raises RecipeError for a run that is there and that the sweep's journal does not know: each trial would fail."""
    for number in range(first, first + trials):
        if (run := folder / f"{number:03}").exists():
            raise RecipeError(
                f"{run}: is no run of this sweep, whose {JOURNAL} does not know it: choose another --folder"
            )


def check_spaces(recipe: Path, spaces: Sequence[Space], fixed: Sequence[str]) -> None:
    """Raises RecipeError before the first trial for a field that is none, is given twice, or takes no such value."""
    names = [space.field for space in spaces]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RecipeError(f"--try {twice}: it is given twice")
    if clash := next((name for name in names if any(one.partition("=")[0] == name for one in fixed)), None):
        raise RecipeError(f"--try {clash}: --set gives it too")
    for space in spaces:
        ends = (int(space.low), int(space.high)) if space.whole else (space.low, space.high)
        for value in space.choices or ends:
            try:
                load_recipe(recipe, [*fixed, f"{space.field}={json.dumps(value)}"])
            except RecipeError as error:
                raise RecipeError(f"--try {space.field}: {error}") from error


def read_results(file: Path, spaces: Sequence[Space]) -> list[Trial]:
    """The trials of earlier calls; without a number as its value, one has failed. RecipeError for other fields."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    try:
        return [
            Trial(Path(row["run"]), {space.field: yaml.safe_load(row[space.field]) for space in spaces}, row["metric"],
                  _read_value(row["value"]))
            for row in rows
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise RecipeError(f"{file}: is not of a sweep with these --try: choose another --folder") from error


def _read_value(text: str) -> float | None:
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None


def describe(one: Trial) -> str:
    """A line for a trial."""
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in one.values.items()}
    given = "  ".join(f"{name}={value}" for name, value in shown.items())
    told = f"{one.metric} {one.value:.4f}" if one.value is not None else f"failed, see {one.run}.log"
    return f"{one.run}  {told}  {given}"


def _note(file: Path, one: Trial, spaces: Sequence[Space]) -> None:
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        if is_new:
            rows.writerow(["run", "metric", "value", *(space.field for space in spaces)])
        rows.writerow([one.run, one.metric, "" if one.value is None else one.value, *one.values.values()])
