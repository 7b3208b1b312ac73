"""Fits, measures and writes the small networks by which the faces service judges aligned crops."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from convoy.faces.crop_network import CropNetwork, describe
from torch import nn

from convoy_training.data.face_crops import Crops
from convoy_training.metrics.share import measure_share

HIDDEN = 48
EPOCHS = 40
BATCH = 256
DROPPED = 0.3
WEIGHT_DECAY = 0.02
LIMIT = 0.5


def fit_network(crops: Crops, seed: int) -> CropNetwork:
    """A network that tells the crops that are as they should be (`is_face`) from the others."""
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
    parts = {name: value.detach().numpy().copy() for name, value in values.items()}
    return CropNetwork(parts["hidden"], parts["hidden_bias"], parts["out"], float(parts["out_bias"]))


def write_network(
    file: Path, network: CropNetwork, origin: Mapping[str, Any], taught: Crops, held_out: Crops
) -> dict[str, Any]:
    """Writes the weights (.npz) and a card (.json) with their origin and how good they are; returns the card."""
    crops = {"faces": int(taught.is_face.sum()), "others": int((~taught.is_face).sum())}
    card = {**origin, "crops": crops, "limit": LIMIT, "measured": measure_network(network, held_out)}
    parts = {name: np.asarray(value, np.float16) for name, value in vars(network).items()}
    with file.open("wb") as stream:
        np.savez_compressed(stream, **parts)  # type: ignore[arg-type]
    card["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    return card


def measure_network(network: CropNetwork, crops: Crops) -> dict[str, Any]:
    """The shares of faces below the limit and of each kind of others at or above it."""
    values = np.array([network.judge(describe(one)) for one in crops.pixels])
    measured = {}
    for kind in dict.fromkeys(crops.kinds):
        rows = np.array([one == kind for one in crops.kinds])
        is_face = bool(crops.is_face[rows][0])
        share, interval = measure_share(((values[rows] >= LIMIT) != is_face).tolist())
        ends = [round(end, 4) for end in interval]
        measured[kind] = {"wrong": round(share, 4), "interval": ends, "n": int(rows.sum())}
    return measured
