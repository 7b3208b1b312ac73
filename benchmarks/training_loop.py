"""How fast `convoy-train fit` trains beside a plain PyTorch loop, by CPU time, for the three tasks of pictures.

    python -m benchmarks.training_loop                    # small pictures that are made here; a few minutes
    python -m benchmarks.training_loop --repeats 5 --pictures 256

Both loops take the same network (channels last), batches, loss, optimizer and schedule. What surrounds an epoch
(reading the data, the validation at the end) is taken off: the time of a training of three epochs less that of one is
the time of two. The loops run in turns, each training in a process of its own, which sets up the memory as its side
does: `convoy-train fit` keeps what a step frees, the plain loop has Python's defaults. One thread multiplies, since
threads that wait for each other count as CPU time. A ratio of 1.05 means that Convoy's loop does in a second of CPU
time 1.05 times what the plain one does; Convoy's also writes curves, and a checkpoint after each epoch.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from convoy_training.recipe_file import resolve_recipe
from convoy_training.runs.loop import fit
from convoy_training.runs.memory import keep_freed_memory
from convoy_training.runs.schedule import build_optimizer, build_scheduler
from convoy_training.task import make

SIDE = 96
FORK = multiprocessing.get_context("fork")
"""Its processes have everything imported already. This one trains nothing, so that they begin without its threads."""


def draw_set(root: Path, pictures: int) -> None:
    """Pictures with one bright box each, as folders of two classes, with masks, and with YOLO's labels."""
    random = np.random.default_rng(0)
    for split, count in (("train", pictures), ("val", 8)):
        lines = []
        for number in range(count):
            picture = random.integers(0, 80, (SIDE, SIDE, 3), dtype=np.uint8)
            x, y = (int(v) for v in random.integers(8, 40, 2))
            picture[y : y + 40, x : x + 40, number % 2] += 150
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[y : y + 40, x : x + 40] = 1
            for name, content in {
                f"folders/{split}/{'ab'[number % 2]}/{number}.jpg": picture,
                f"masks/i/{split}{number}.jpg": picture,
                f"masks/m/{split}{number}.png": mask,
                f"yolo/images/{split}/{number}.jpg": picture,
            }.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / name), content)
            label = root / f"yolo/labels/{split}/{number}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(f"{number % 2} {(x + 20) / SIDE} {(y + 20) / SIDE} {40 / SIDE} {40 / SIDE}\n")
            lines.append(f"i/{split}{number}.jpg m/{split}{number}.png\n")
        (root / f"masks/{split}.txt").write_text("".join(lines))
    (root / "masks/classes.txt").write_text("background\nbox\n")
    (root / "yolo/classes.txt").write_text("a\nb\n")


def recipes(root: Path) -> dict[str, dict[str, Any]]:
    """The fields of each task's recipe."""
    shared = {"name": "loop", "batch_size": 8, "optimizer": {"lr": 0.01}}
    return {
        "classification": shared | {
            "task": "classification", "architecture": "resnet18", "input_size": SIDE,
            "data": {"format": "image_folder", "path": str(root / "folders"), "title": "T"},
        },
        "detection": shared | {
            "task": "detection", "input_size": SIDE,
            "data": {"format": "yolo", "path": str(root / "yolo"), "title": "T"},
        },
        "segmentation": shared | {
            "task": "segmentation", "crop": [SIDE, SIDE], "long_side": SIDE,
            "data": {"path": str(root / "masks"), "title": "T"},
        },
    }  # fmt: skip


def train_plainly(task: Any, config: Any) -> None:
    """The loop that people write by hand."""
    torch.manual_seed(config.seed)
    model, data = task.build_model(config).to(memory_format=torch.channels_last), task.build_data(config)
    optimizer = build_optimizer(model, config.optimizer)
    scheduler = build_scheduler(optimizer, config.optimizer, len(data.train) * config.epochs)
    for epoch in range(config.epochs):
        model.train()
        for batch in data.train(epoch):
            loss, _ = task.compute_loss(model, make(batch), config)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()


def train(task: Any, config: Any) -> None:
    """Convoy's loop, with all that it writes."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as run, contextlib.redirect_stdout(io.StringIO()):
        fit(task, config, Path(run))


def measure(loop: Callable[[Any, Any], None], task: Any, config: Any) -> float:
    """CPU seconds of two epochs."""
    spent = []
    for epochs in (1, 3):
        receiver, sender = FORK.Pipe(duplex=False)
        one = FORK.Process(target=_train_once, args=(loop, task, config.model_copy(update={"epochs": epochs}), sender))
        one.start()
        spent.append(receiver.recv())
        one.join()
    return float(spent[1] - spent[0])


def _train_once(loop: Callable[[Any, Any], None], task: Any, config: Any, sender: Any) -> None:
    torch.set_num_threads(1)
    began = time.process_time()
    loop(task, config)
    sender.send(time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=128, help="in the training split")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        draw_set(Path(place), asked.pictures)
        for name, fields in recipes(Path(place)).items():
            task, config = resolve_recipe(fields | {"epochs": 1}, "benchmark")
            pairs = [(measure(train_plainly, task, config), measure(train, task, config)) for _ in range(asked.repeats)]
            ratios = [plain / own for plain, own in pairs]
            plain_s, own_s = (statistics.median(column) for column in zip(*pairs, strict=True))
            told = f"{statistics.median(ratios):.3f}  ({min(ratios):.3f} to {max(ratios):.3f})"
            print(f"{name:15} {told}  plain {plain_s:.1f} s, fit {own_s:.1f} s", flush=True)


if __name__ == "__main__":
    main()
