"""Fits the faces service's second opinion: does an aligned crop look like a face turned upright?

It learns from crops of training people, also with drawn masks, glasses and hands over them, and from what the detector
finds in training pictures without a face; it is measured on held-out people and other pictures. Its weights lie beside
the service's code (convoy/faces/likeness.npz).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convoy.core.pictures.decoding import Pixels
from convoy.faces.task import Options

from convoy_training.crop_network import fit_network, write_network
from convoy_training.data.face_crops import collect_crops
from convoy_training.protocols.face_photos import FaceFinder

DETECTION_THRESHOLD = 0.25
"""What a detector finds at less than its own threshold is like what it finds in other pictures."""
MOST_FOUND = 8
EACH_KIND = {"train": 150, "validation": 30}
DATA = ["LFW", "CelebA", "CIFAR-10", "BCCD", "CamVid", "ISBI 2012", "noise"]
TERMS = "LFW and CelebA are for non-commercial research; see the data's own terms"


def fit_likeness(detector: Path, folder: Path, command: str, seed: int = 0) -> dict[str, Any]:
    """Fits it on the training split, measures it on the other one, and writes likeness.npz and .json into `folder`."""
    finder, options = FaceFinder(detector), Options(DETECTION_THRESHOLD, max_faces=MOST_FOUND)

    def find(image_rgb: Pixels) -> Sequence[Pixels]:
        return finder.cut(image_rgb, options)

    taught = collect_crops("train", find, seed, faceless=EACH_KIND["train"])
    network = fit_network(taught, seed)
    held_out = collect_crops("validation", find, seed, faceless=EACH_KIND["validation"])
    origin = {"command": command, "data": DATA, "data_terms": TERMS, "seed": seed}
    return write_network(folder / "likeness.npz", network, origin, taught, held_out)
