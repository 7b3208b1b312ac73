"""Writes the numbers of a run while it trains: as CSV in the run folder, and for the tools that a recipe names.

MLflow and Weights & Biases are extras (`convoy-vision-training[mlflow]`, `[wandb]`). Without a server they write into
the run folder: MLflow unless MLFLOW_TRACKING_URI is set, Weights & Biases unless WANDB_API_KEY or WANDB_MODE is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lightning.fabric.loggers.tensorboard import TensorBoardLogger

from convoy_training.errors import RecipeError
from convoy_training.recipe import Config

FILE = "curves.csv"
HEADER = "step,name,value"
CURVES = "curves"


class Writer(Protocol):
    """Takes numbers by name at a step, and ends."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> Any:
        """Writes the numbers of one step."""

    def finalize(self, status: str) -> Any:
        """Closes what is open."""


class Table:
    """A row for each number: step, name, value. A run that goes on keeps the rows of the steps before `start`.

    The validation after the last of these steps has the number `start` itself. It is kept too, and not written twice.
    """

    def __init__(self, file: Path, start: int) -> None:
        kept = []
        if start and file.exists():
            lines = file.read_text("utf-8").splitlines()[1:]
            kept = [line for line in lines if line.count(",") == 2 and _is_before(line, start)]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([HEADER, *kept]) + "\n", "utf-8")
        self.file, self._kept = file, set(kept)

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        rows = (f"{step},{name.replace(',', ' ')},{value:.7g}" for name, value in metrics.items())
        # Opened anew each time: a run that is killed keeps its rows, and leaves no open file.
        with self.file.open("a", encoding="utf-8") as stream:
            stream.writelines(f"{row}\n" for row in rows if row not in self._kept)

    def finalize(self, status: str) -> None:
        pass


def _is_before(row: str, start: int) -> bool:
    step, name, _ = row.split(",")
    return int(step) < start or (int(step) == start and name.startswith("validation/"))


class Journal:
    """All writers of a run. What one of them raises ends the run: a record with holes would mislead."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self.writers = writers

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Writes the numbers of one step."""
        for writer in self.writers:
            writer.log_metrics(dict(metrics), step)

    def close(self) -> None:
        """Ends the record of a run that is finished."""
        for writer in self.writers:
            writer.finalize("success")


def open_journal(config: Config, run: Path, start: int) -> Journal:
    """The writers that a recipe names in `loggers`; `start` is the step that comes next. Raises RecipeError."""
    return Journal([WRITERS[name](config, run, start) for name in config.loggers])


def _write_csv(config: Config, run: Path, start: int) -> Writer:
    return Table(run / FILE, start)


def _write_tensorboard(config: Config, run: Path, start: int) -> Writer:
    return TensorBoardLogger(run, name=CURVES, version="")


def _write_mlflow(config: Config, run: Path, start: int) -> Writer:
    from lightning.pytorch.loggers import MLFlowLogger

    place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.resolve() / 'mlflow.db'}"
    writer = _open("mlflow", lambda: MLFlowLogger(experiment_name=config.name, run_name=run.name, tracking_uri=place))
    writer.log_hyperparams(config.model_dump(mode="json"))
    return writer  # type: ignore[no-any-return]


def _write_wandb(config: Config, run: Path, start: int) -> Writer:
    from lightning.pytorch.loggers import WandbLogger

    offline = not (os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE"))
    name = run.name
    writer = _open("wandb", lambda: WandbLogger(project=config.name, name=name, save_dir=run, offline=offline))
    writer.log_hyperparams(config.model_dump(mode="json"))
    return writer  # type: ignore[no-any-return]


def _open(extra: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ModuleNotFoundError as error:
        told = f"pip install 'convoy-vision-training[{extra}]', or leave it out"
        raise RecipeError(f"loggers: {extra} is not installed ({error.name or error}): {told}") from error


WRITERS: Mapping[str, Callable[[Config, Path, int], Writer]] = {
    "csv": _write_csv,
    "tensorboard": _write_tensorboard,
    "mlflow": _write_mlflow,
    "wandb": _write_wandb,
}
