"""What a teacher says about the training crops: each variant of each crop is drawn, answered once, and kept.

A variant is a function of its seed, so its pixels are drawn again when the student sees them and only the answers are
kept, with a checksum of the pixels: a student never learns an answer to a picture that the teacher has not seen.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from convoy.faces.alignment import ALIGNED_SIZE_PX
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from convoy_training.augment import face as augment
from convoy_training.errors import RecipeError
from convoy_training.structures import UNNAMED
from convoy_training.task import Predict

FOLDER = "teacher"
"""In a run folder: the answers."""
BLEND = (0.3, 0.7)
"""The share of the first of two faces that are mixed."""


@dataclass(frozen=True)
class Drawing:
    """How variants are drawn: everything that decides about their pixels, beside the crops."""

    seed: int
    degradation: float
    blend: float

    def draw(self, crops: NDArray[np.uint8], row: int, variant: int) -> tuple[NDArray[np.uint8], bool]:
        """A variant of a crop as [112,112,3], jittered and degraded; whether another face is mixed in."""
        random = np.random.default_rng([self.seed, variant, row])
        image = augment.jitter_crop(crops[row], ALIGNED_SIZE_PX, random)
        blended = bool(random.random() < self.blend)
        if blended:
            other = augment.jitter_crop(crops[random.integers(len(crops))], ALIGNED_SIZE_PX, random)
            share = random.uniform(*BLEND)
            image = cv2.addWeighted(image, share, other, 1 - share, 0)  # type: ignore[assignment]
        return augment.degrade(image, random, self.degradation), blended


class Answers(NamedTuple):
    """To one variant of all crops: vectors float32 [N,D], and checksums uint32 [N] of the pixels."""

    vectors: NDArray[np.float32]
    checksums: NDArray[np.uint32]


class Lessons:
    """Batches for a student: crops [B,112,112,3], people [B], the teacher's answers [B,D]; an epoch is one variant.

    labels: UNNAMED where nobody knows the person. key: what the answers depend on beside the drawing, such as the
    teacher's digest and the files' names.
    """

    def __init__(
        self, crops: NDArray[np.uint8], labels: NDArray[np.int64], drawing: Drawing, variants: int, predict: Predict,
        batch_size: int, key: Sequence[str],
    ) -> None:  # fmt: skip
        self.crops, self.labels, self.drawing, self.variants = crops, labels, drawing, variants
        self.predict, self.batch_size = predict, batch_size
        facts = [*key, drawing.seed, drawing.degradation, drawing.blend]
        self.key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        self.folder: Path | None = None
        self.answers: dict[int, Answers] = {}

    def __len__(self) -> int:
        return len(self.crops) // self.batch_size

    def __call__(self, epoch: int) -> Iterator[Callable[[], tuple[Tensor, Tensor, Tensor]]]:
        """One variant of every crop, shuffled; the batches are made when they are called."""
        random = np.random.default_rng(int(torch.randint(2**62, (1,))))
        variant = epoch % self.variants
        self.answer(variant)
        rows = random.permutation(len(self.crops))
        for step in range(len(self)):
            yield partial(self.make, rows[step * self.batch_size : (step + 1) * self.batch_size], variant)

    def keep_in(self, run: Path) -> None:
        """Keeps the answers in a run folder, and finds those that are there."""
        self.folder = run / FOLDER
        self.folder.mkdir(exist_ok=True)
        for variant, answers in self.answers.items():
            _write(self._file(variant), answers)

    def make(self, rows: NDArray[np.int64], variant: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draws a batch. Raises RecipeError where its pixels are not those that the teacher has answered."""
        answers = self.answer(variant)
        drawn = [self.drawing.draw(self.crops, int(row), variant) for row in rows]
        images = np.stack([image for image, _ in drawn])
        if any(_sum(image) != answers.checksums[row] for image, row in zip(images, rows, strict=True)):
            told = f"remove {self._file(variant) if self.folder else 'them'} and begin anew"
            raise RecipeError(f"the teacher's answers are to other pictures than are drawn now: {told}")
        labels = np.where([blended for _, blended in drawn], UNNAMED, self.labels[rows])
        return torch.from_numpy(images), torch.from_numpy(labels), torch.from_numpy(answers.vectors[rows])

    def answer(self, variant: int) -> Answers:
        """What the teacher says to a variant: as it was kept, or asked now."""
        if variant not in self.answers:
            kept = _read(self._file(variant)) if self.folder else None
            self.answers[variant] = kept or self._ask(variant)
            if self.folder and kept is None:
                _write(self._file(variant), self.answers[variant])
        return self.answers[variant]

    def _ask(self, variant: int) -> Answers:
        began, count = time.monotonic(), len(self.crops)

        def ask(row: int) -> tuple[NDArray[np.float32], int]:
            image, _ = self.drawing.draw(self.crops, row, variant)
            return self.predict(image[None])["embeddings"][0], _sum(image)  # one by one is quickest on a CPU

        title = f"the teacher's answers, variant {variant + 1} of {self.variants}"
        with ThreadPoolExecutor(os.cpu_count(), "teacher") as threads:
            bar = tqdm(threads.map(ask, range(count)), total=count, desc=title, disable=not sys.stderr.isatty())
            said = list(bar)
        print(f"{title}: {count:,} crops, {time.monotonic() - began:.0f} s", flush=True)
        vectors, checksums = zip(*said, strict=True)
        return Answers(np.stack(vectors).astype(np.float32), np.array(checksums, np.uint32))

    def _file(self, variant: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{self.key}-{variant}.npz"


def _sum(image: NDArray[np.uint8]) -> int:
    return zlib.crc32(image.tobytes())


def _write(file: Path, answers: Answers) -> None:
    """Whole or not at all; several processes may write the same."""
    partial_file = file.with_name(f".{file.name}-{os.getpid()}")
    with partial_file.open("wb") as stream:
        np.savez(stream, **answers._asdict())
    os.replace(partial_file, file)


def _read(file: Path) -> Answers | None:
    """None where there is no such file, or where it is damaged: then the teacher is asked again."""
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            fields: dict[str, Any] = {name: stored[name] for name in Answers._fields}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return Answers(**fields)
