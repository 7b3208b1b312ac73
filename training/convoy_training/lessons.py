"""What a teacher says about the training crops: each variant of each crop is drawn and answered once, then kept.

The pixels are kept as small as the student's network takes them, so that an epoch draws nothing anew. Each crop has a
checksum: a student never learns an answer to a picture that the teacher has not seen.
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
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

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
"""In a run folder: the answers, and the pixels that they are about."""
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
    """To one variant of all crops: vectors float32 [N,D], checksums uint32 [N] of the student's pixels, blended [N].

    blended: whether two faces are mixed.
    """

    vectors: NDArray[np.float32]
    checksums: NDArray[np.uint32]
    blended: NDArray[np.bool_]


class Variant(NamedTuple):
    """One variant of all crops: the student's pixels uint8 [N,S,S,3], and what the teacher says to them."""

    pixels: NDArray[np.uint8]
    answers: Answers


def shrink(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """A crop as [size,size,3], by the same bilinear sampling with which a student's network would reduce it."""
    if image.shape[0] == size_px:
        return image
    return cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


class Lessons:
    """Batches for a student: crops [B,S,S,3], people [B], the teacher's answers [B,D]; an epoch is one variant.

    labels: UNNAMED where nobody knows the person. size_px: S, the pixels that the student's network works on; the
    teacher sees 112. repeat: epochs in a row with the same variant. key: what the answers depend on beside the
    drawing, such as the teacher's digest and the files' names.
    """

    def __init__(
        self, crops: NDArray[np.uint8], labels: NDArray[np.int64], drawing: Drawing, variants: int, predict: Predict,
        batch_size: int, key: Sequence[str], size_px: int = ALIGNED_SIZE_PX, repeat: int = 1,
    ) -> None:  # fmt: skip
        self.crops, self.labels, self.drawing, self.variants = crops, labels, drawing, variants
        self.predict, self.batch_size, self.size_px, self.repeat = predict, batch_size, size_px, repeat
        facts = [*key, drawing.seed, drawing.degradation, drawing.blend, size_px]
        self.key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        self.folder: Path | None = None
        self.ready: dict[int, Variant] = {}

    def __len__(self) -> int:
        return len(self.crops) // self.batch_size

    def __call__(self, epoch: int) -> Iterator[Callable[[], tuple[Tensor, Tensor, Tensor]]]:
        """One variant of every crop, shuffled; the batches are made when they are called."""
        random = np.random.default_rng(int(torch.randint(2**62, (1,))))
        variant = epoch // self.repeat % self.variants
        self.open(variant)
        rows = random.permutation(len(self.crops))
        for step in range(len(self)):
            yield partial(self.make, rows[step * self.batch_size : (step + 1) * self.batch_size], variant)

    def keep_in(self, run: Path) -> None:
        """Keeps variants in a run folder, and finds those that are there."""
        self.folder = run / FOLDER
        self.folder.mkdir(exist_ok=True)
        for number, variant in self.ready.items():
            _write(self._file(number), variant)

    def make(self, rows: NDArray[np.int64], number: int) -> tuple[Tensor, Tensor, Tensor]:
        """A batch of a variant. Raises RecipeError where its pixels are not those that the teacher has answered."""
        variant = self.open(number)
        images = np.asarray(variant.pixels[rows])
        if any(_sum(image) != variant.answers.checksums[row] for image, row in zip(images, rows, strict=True)):
            told = f"remove {self._file(number)} and begin anew" if self.folder else "begin anew"
            raise RecipeError(f"the teacher's answers are to other pictures than are there now: {told}")
        labels = np.where(variant.answers.blended[rows], UNNAMED, self.labels[rows])
        return torch.from_numpy(images), torch.from_numpy(labels), torch.from_numpy(variant.answers.vectors[rows])

    def open(self, number: int) -> Variant:
        """A variant and what the teacher says to it: as they were kept, or drawn and asked now."""
        if number not in self.ready:
            kept = _read(self._file(number)) if self.folder else None
            variant = kept or self._ask(number)
            if self.folder and kept is None:
                _write(self._file(number), variant)
                variant = _read(self._file(number)) or variant  # mapped from the file rather than held in memory
            self.ready[number] = variant
        return self.ready[number]

    def _ask(self, number: int) -> Variant:
        began, count = time.monotonic(), len(self.crops)
        pixels = np.empty((count, self.size_px, self.size_px, 3), np.uint8)

        def ask(row: int) -> tuple[NDArray[np.float32], int, bool]:
            image, blended = self.drawing.draw(self.crops, row, number)
            pixels[row] = shrink(image, self.size_px)
            vectors = self.predict(image[None])["embeddings"]  # one by one is quickest on a CPU
            return vectors[0], _sum(pixels[row]), blended

        title = f"the teacher's answers, variant {number + 1} of {self.variants}"
        with ThreadPoolExecutor(os.cpu_count(), "teacher") as threads:
            bar = tqdm(threads.map(ask, range(count)), total=count, desc=title, disable=not sys.stderr.isatty())
            said = list(bar)
        print(f"{title}: {count:,} crops, {time.monotonic() - began:.0f} s", flush=True)
        vectors, checksums, blended = zip(*said, strict=True)
        return Variant(
            pixels,
            Answers(np.stack(vectors).astype(np.float32), np.array(checksums, np.uint32), np.array(blended, np.bool_)),
        )

    def _file(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{self.key}-{number}.npz"


def _sum(image: NDArray[np.uint8]) -> int:
    return zlib.crc32(image.tobytes())


def _write(file: Path, variant: Variant) -> None:
    """Whole or not at all; several processes may write the same. The answers come last: with them both are there."""
    with _replaced(_pixels_file(file)) as stream:
        np.save(stream, variant.pixels)
    with _replaced(file) as stream:
        np.savez(stream, **variant.answers._asdict())


@contextmanager
def _replaced(target: Path) -> Iterator[BinaryIO]:
    partial_file = target.with_name(f".{target.name}-{os.getpid()}")
    with partial_file.open("wb") as stream:
        yield stream
    os.replace(partial_file, target)


def _read(file: Path) -> Variant | None:
    """None where there is no such file, or where one is damaged: then the teacher is asked again."""
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            fields: dict[str, Any] = {name: stored[name] for name in Answers._fields}
        pixels = np.load(_pixels_file(file), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return Variant(pixels, Answers(**fields))


def _pixels_file(file: Path) -> Path:
    return file.with_suffix(".npy")
