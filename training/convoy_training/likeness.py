"""Fits the faces service's second opinion: does an aligned crop look like a face turned upright?

It learns from crops of training people, and from what the detector finds in training pictures without a face; it is
measured on held-out people and other pictures. Its weights lie beside the service's code (convoy/faces/likeness.npz).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from convoy.core.pictures.decoding import Pixels
from convoy.faces.likeness import LikenessModel, describe
from convoy.faces.task import Options
from torch import nn

from convoy_training.data.face_crops import Crops, collect_crops
from convoy_training.metrics.share import measure_share
from convoy_training.protocols.face_photos import FaceFinder

HIDDEN = 48
EPOCHS = 40
BATCH = 256
DROPPED = 0.3
WEIGHT_DECAY = 0.02
DETECTION_THRESHOLD = 0.25
"""What a detector finds at less than its own threshold is like what it finds in other pictures."""
MOST_FOUND = 8
EACH_KIND = {"train": 150, "validation": 30}
LIMIT = 0.5
DATA = ["LFW", "CelebA", "CIFAR-10", "BCCD", "CamVid", "ISBI 2012", "noise"]
TERMS = "LFW and CelebA are for non-commercial research; see the data's own terms"


def fit_likeness(detector: Path, folder: Path, command: str, seed: int = 0) -> dict[str, Any]:
    """Fits it on the training split, measures it on the other one, and writes likeness.npz and .json into `folder`."""
    finder, options = FaceFinder(detector), Options(DETECTION_THRESHOLD, max_faces=MOST_FOUND)

    def find(image_rgb: Pixels) -> Sequence[Pixels]:
        return finder.cut(image_rgb, options)

    taught = collect_crops("train", find, seed, faceless=EACH_KIND["train"])
    parts = _fit(taught, seed)
    held_out = collect_crops("validation", find, seed, faceless=EACH_KIND["validation"])
    model = LikenessModel(parts["hidden"], parts["hidden_bias"], parts["out"], float(parts["out_bias"]))
    card = {
        "command": command,
        "data": DATA,
        "data_terms": TERMS,
        "seed": seed,
        "crops": {"faces": int(taught.is_face.sum()), "others": int((~taught.is_face).sum())},
        "limit": LIMIT,
        "measured": _measure(model, held_out),
    }
    file = folder / "likeness.npz"
    with file.open("wb") as stream:
        np.savez_compressed(stream, **{name: value.astype(np.float16) for name, value in parts.items()})  # type: ignore[arg-type]
    card["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "likeness.json").write_text(json.dumps(card, indent=2) + "\n")
    return card


def _fit(crops: Crops, seed: int) -> dict[str, np.ndarray]:
    torch.manual_seed(seed)
    features = torch.from_numpy(np.stack([describe(one) for one in crops.pixels]))
    wanted = torch.from_numpy(crops.is_face.astype(np.float32))
    hidden, out = nn.Linear(features.shape[1], HIDDEN), nn.Linear(HIDDEN, 1)
    net = nn.Sequential(nn.Dropout(DROPPED), hidden, nn.ReLU(), out)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * (len(wanted) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    # Both answers weigh the same, however many crops there are of each.
    loss = nn.BCEWithLogitsLoss(pos_weight=(1 - wanted).sum() / wanted.sum())
    for _ in range(EPOCHS):
        order = torch.randperm(len(wanted))
        for rows in order[: steps // EPOCHS * BATCH].split(BATCH):
            optimizer.zero_grad()
            loss(net(features[rows])[:, 0], wanted[rows]).backward()
            optimizer.step()
            schedule.step()
    values = {"hidden": hidden.weight.T, "hidden_bias": hidden.bias, "out": out.weight[0], "out_bias": out.bias[0]}
    return {name: value.detach().numpy().copy() for name, value in values.items()}


def _measure(model: LikenessModel, crops: Crops) -> dict[str, Any]:
    """The shares of faces below the limit and of each kind of others at or above it."""
    values = np.array([model.judge(describe(one)) for one in crops.pixels])
    measured = {}
    for kind in dict.fromkeys(crops.kinds):
        rows = np.array([one == kind for one in crops.kinds])
        is_face = bool(crops.is_face[rows][0])
        share, interval = measure_share(((values[rows] >= LIMIT) != is_face).tolist())
        ends = [round(end, 4) for end in interval]
        measured[kind] = {"wrong": round(share, 4), "interval": ends, "n": int(rows.sum())}
    return measured
