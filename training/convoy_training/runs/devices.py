"""The devices that training runs on."""

from __future__ import annotations

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException

from convoy_training.choices import Accelerator
from convoy_training.errors import RecipeError
from convoy_training.recipe import Precision


def open_fabric(accelerator: Accelerator, devices: int, precision: Precision) -> Fabric:
    """Opens this many devices, without launching them; raises RecipeError if the machine does not have them."""
    try:
        return Fabric(accelerator=accelerator, devices=devices, precision=precision)
    except (RuntimeError, MisconfigurationException) as error:
        found = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
        there = ", ".join(f"{name} ({count})" if name == "cuda" else name for name, count in found.items() if count)
        raise RecipeError(f"--accelerator {accelerator} --devices {devices}: this machine has {there}") from error
