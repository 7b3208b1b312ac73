"""Training in two processes, as on two GPUs: both learn, from different halves, the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for split, count in (("train", 14), ("val", 4)):
        for channel, name in ((0, "blue"), (2, "red")):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                image = random.integers(0, 90, (32, 32, 3)).astype(np.uint8)
                image[..., channel] += 150
                cv2.imwrite(str(folder / f"{number}.png"), image)
    fields = {
        "name": "colours", "task": "classification", "epochs": 2, "batch_size": 4, "input_size": 32, "mixup": 0.2,
        "architecture": "lenet", "optimizer": {"lr": 0.02}, "augment": {"rotate": 10, "light": 0.1},
        "data": {"format": "image_folder", "path": str(tmp_path / "pictures"), "title": "colours"},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(fields))
    command = [str(Path(sys.executable).parent / "convoy-train"), "fit", "recipe.yaml", "--run", "run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--accelerator", "cpu", "--devices", "2"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=400)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("epoch 2/2") == 1 and done.stdout.count("wrote run/report.html") == 1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())[0]["n"] == 8
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    # Seven batches an epoch, three for each of two processes, two epochs.
    assert state["scheduler"]["last_epoch"] == 6 and state["epoch"] == 2
    assert "<svg" in (tmp_path / "run" / "report.html").read_text()
