"""A fixed number of rows for faces in three resolutions, float32, bytes and signs, and the kernels that compare probes.

A byte code is the vector divided by its scale and rounded; `error` is the length of what rounding took away: by Cauchy
and Schwarz no similarity is further from its estimate than the errors allow. A sign code is one bit a number: vectors
at angle a differ in a share a / pi of random directions (Charikar 2002, "Similarity estimation techniques from
rounding algorithms"), so few differing bits mean high similarity.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import faiss
import numkong
import numpy as np
import numpy.typing as npt

from convoy.recognition.domain.vectors import Vector

Rows = npt.NDArray[np.int64]
CAPACITY = 65_536
CODED = 128
# Sign codes are compared from a multiple of STEP rows on, and PAIRS pairs of a probe and a row at once.
STEP = 4_096
PACKED = 1_024
PAIRS = 4 * CAPACITY
# The kernels are found at run time: FAISS has no stubs for them.
_faiss: Any = faiss


class Probes:
    """Vectors, [dimension] each, as bytes and as signs."""

    def __init__(self, vectors: Sequence[Vector]) -> None:
        self._vectors = vectors[0][None] if len(vectors) == 1 else np.stack(vectors)
        self.codes, scales, errors = _to_bytes(self._vectors)
        self.scales: list[float] = scales.tolist()
        self.errors: list[float] = errors.tolist()

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def signs(self) -> tuple[npt.NDArray[np.uint8], Any]:
        """Sign codes, and FAISS's pointer to them."""
        codes = np.packbits(self._vectors > 0, axis=1)
        return codes, _faiss.swig_ptr(codes)


class Scratch:
    """Where one thread counts differing signs.

    FAISS takes pointers, and each that is made lets go of the interpreter lock, which another thread may keep for a
    while: so they are made once.
    """

    def __init__(self) -> None:
        self.differing = np.empty(PAIRS, np.int32)
        self.differing_at = _faiss.swig_ptr(self.differing)


class Block:
    """CAPACITY rows of `dimension` numbers. Memory is taken up by the system as rows are first written."""

    def __init__(self, dimension: int) -> None:
        self.vectors = np.zeros((CAPACITY, dimension), np.float32)
        self._vectors_at = _faiss.swig_ptr(self.vectors)
        self._codes = np.zeros((CAPACITY, dimension), np.int8)
        self._scales = np.zeros(CAPACITY, np.float32)
        self._worst_scale = self._worst_error = 0.0
        self._signs = np.zeros((CAPACITY, (dimension + 7) // 8), np.uint8)
        self._signs_at = [_faiss.swig_ptr(self._signs[start:]) for start in range(0, CAPACITY, STEP)]
        # NumKong's copies of PACKED rows each, and how often those rows were written.
        self._packed: dict[int, Any] = {}
        self._changes = [0] * (CAPACITY // PACKED)

    @property
    def row_bytes(self) -> int:
        """Memory of one row."""
        return sum(part.nbytes for part in self._parts) // CAPACITY

    @property
    def packed_bytes(self) -> int:
        """Memory of the packed copies."""
        return sum(packed.nbytes for packed in list(self._packed.values()))

    def write(self, rows: Rows, vectors: Vector) -> None:
        """Put vectors, [n, dimension], into rows; few at a time, so that what is made of them stays in the cache."""
        for start in range(0, len(rows), CODED):
            few, here = vectors[start : start + CODED], rows[start : start + CODED]
            # Rows that follow each other are written faster as a slice.
            where = slice(here[0], here[-1] + 1) if len(here) == 1 or np.all(np.diff(here) == 1) else here
            self._codes[where], scales, errors = _to_bytes(few)
            self._scales[where] = scales
            self._worst_scale = max(self._worst_scale, float(scales.max()))
            self._worst_error = max(self._worst_error, float(errors.max()))
            self._signs[where] = np.packbits(few > 0, axis=1)
            self.vectors[where] = few
        for number in set((rows // PACKED).tolist()):
            self._changed(number)

    def erase(self, row: int) -> None:
        """Overwrite a row with zeros."""
        for part in self._parts:
            part[row] = 0
        self._changed(row // PACKED)

    def compared(self, vector: Vector, count: int) -> Vector:
        """Similarities of the first rows, up to float32's rounding; in this thread alone, as BLAS would not."""
        found = np.empty(count, np.float32)
        pointers = _faiss.swig_ptr(found), _faiss.swig_ptr(vector), self._vectors_at
        _faiss.fvec_inner_products_ny(*pointers, self.vectors.shape[1], count)
        return found

    def near(self, probes: Probes, scratch: Scratch, rows: slice, reach: int) -> list[tuple[Rows, Vector]]:
        """For each probe the rows that differ from it in at most `reach` signs, and their products; see `products`.

        rows: of which, beginning at a multiple of STEP.
        """
        count = rows.stop - rows.start
        if len(probes) * count > PAIRS:
            raise ValueError(f"{len(probes)} probes and {count} rows are more than {PAIRS} pairs")
        at = probes.signs[1], self._signs_at[rows.start // STEP]
        _faiss.hammings(*at, len(probes), count, self._signs.shape[1], scratch.differing_at)
        pairs = np.flatnonzero(scratch.differing[: len(probes) * count] <= reach)
        ends = pairs.searchsorted(range(0, (len(probes) + 1) * count, count)).tolist()
        near = pairs % count + rows.start
        codes, products = self._codes.take(near, axis=0), np.empty(near.size, np.float32)
        for number, (start, end) in enumerate(pairwise(ends)):
            if start < end:
                products[start:end] = _products(probes.codes[number : number + 1], codes[start:end])[0]
        products *= self._scales.take(near)
        return [(near[start:end], products[start:end]) for start, end in pairwise(ends)]

    def products(self, probes: Probes, rows: slice, packed: bool) -> Vector:
        """Estimates of similarities over the probes' scales, [probes, rows], for rows from a multiple of STEP on.

        packed: compare copies in a layout that is faster to compare; for so few rows that they stay in the cache.
        """
        if not packed:
            products = _products(probes.codes, self._codes[rows])
            products *= self._scales[rows]
            return products
        first, end = rows.start // PACKED, -(-rows.stop // PACKED)
        parts = [np.asarray(numkong.dots_packed(probes.codes, self._pack(number))) for number in range(first, end)]
        whole = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        found: Vector = whole[:, : rows.stop - rows.start] * self._scales[rows]
        return found

    def off(self, probes: Probes, number: int) -> float:
        """How far a probe's estimates are at most from the similarities, of any row."""
        error = probes.errors[number]
        return self._worst_error * (1 + error) + error

    def spread(self, probes: Probes, number: int) -> float:
        """The standard deviation of a probe's estimates, of any row, where rounding errors are as good as random."""
        return math.hypot(self._worst_scale, probes.scales[number]) / math.sqrt(12)

    def _pack(self, number: int) -> Any:
        """The copy of PACKED rows, made anew if one was written since."""
        if (kept := self._packed.get(number)) is not None:
            return kept
        changes = self._changes[number]
        packed = numkong.dots_pack(self._codes[number * PACKED : (number + 1) * PACKED])
        self._packed[number] = packed
        if self._changes[number] != changes:  # a row was written meanwhile, and may be half in it
            self._packed.pop(number, None)
        return packed

    def unpack(self) -> None:
        """Forget all copies."""
        self._packed.clear()

    def _changed(self, number: int) -> None:
        """Forget the copy of rows that were written, which would keep what was erased."""
        self._changes[number] += 1
        self._packed.pop(number, None)

    @property
    def _parts(self) -> tuple[npt.NDArray[Any], ...]:
        return self.vectors, self._codes, self._scales, self._signs


def _products(probes: npt.NDArray[np.int8], codes: npt.NDArray[np.int8]) -> Vector:
    found: Vector = np.asarray(numkong.cdist(probes, codes, "dot", out_dtype="float32"))
    return found


def _to_bytes(vectors: Vector) -> tuple[npt.NDArray[np.int8], Vector, Vector]:
    """Codes, scale and error of each vector; the error is rounded up."""
    # A vector of zeros has any scale.
    scale = np.maximum(np.abs(vectors).max(axis=1) / np.float32(127), np.float32(1e-30))
    work = vectors / scale[:, None]
    np.rint(work, out=work)
    codes = work.astype(np.int8)
    work *= scale[:, None]
    work -= vectors
    error = np.sqrt(np.einsum("ij,ij->i", work, work)) * np.float32(1 + 1e-5)
    return codes, scale, error
