"""A fixed number of rows for faces in three resolutions, float32, bytes and signs, and the kernels that compare probes.

A byte code is the vector divided by its scale and rounded; `error` is the length of what rounding took away: by Cauchy
and Schwarz no similarity is further from its estimate than the errors allow. A sign code is one bit a number: vectors
at angle a differ in a share a / pi of random directions (Charikar 2002, "Similarity estimation techniques from
rounding algorithms"), so few differing bits mean high similarity.
"""

from functools import cached_property
from itertools import pairwise
from typing import Any

import faiss
import numkong
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
# Numbers of probes and rows that are near, which pair by pair have these estimates, off by so much at most.
Near = tuple[Rows, Rows, Vector, Vector]
CAPACITY = 65_536
CODED = 128
# Sign codes are compared from a multiple of so many rows on, and so many pairs of a probe and a row at once.
STEP = 4_096
PAIRS = 4 * CAPACITY
# The kernels are found at run time: FAISS has no stubs for them.
_faiss: Any = faiss


class Probes:
    """Vectors, [probes, dimension], as bytes and as signs."""

    def __init__(self, vectors: Vector) -> None:
        self._vectors = vectors
        self.codes, self.scales, self.errors = _to_bytes(vectors)

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
        # The scale and the error of each row.
        self._measures = np.zeros((CAPACITY, 2), np.float32)
        self._signs = np.zeros((CAPACITY, (dimension + 7) // 8), np.uint8)
        self._signs_at = [_faiss.swig_ptr(self._signs[start:]) for start in range(0, CAPACITY, STEP)]

    @property
    def row_bytes(self) -> int:
        """Memory of one row."""
        return sum(part.nbytes for part in self._parts) // CAPACITY

    def write(self, rows: Rows, vectors: Vector) -> None:
        """Put vectors, [n, dimension], into rows; so few at a time that what is made of them stays in the cache."""
        for start in range(0, len(rows), CODED):
            few, here = vectors[start : start + CODED], rows[start : start + CODED]
            # Rows that follow each other are written faster as a slice.
            where = slice(here[0], here[-1] + 1) if len(here) == 1 or np.all(np.diff(here) == 1) else here
            self._codes[where], self._measures[where, 0], self._measures[where, 1] = _to_bytes(few)
            self._signs[where] = np.packbits(few > 0, axis=1)
            self.vectors[where] = few

    def erase(self, row: int) -> None:
        """Overwrite a row with zeros."""
        for part in self._parts:
            part[row] = 0

    def products(self, vector: Vector, count: int) -> Vector:
        """The similarities of the first rows, up to float32's rounding; in this thread alone, as BLAS would not."""
        found = np.empty(count, np.float32)
        pointers = _faiss.swig_ptr(found), _faiss.swig_ptr(vector), self._vectors_at
        _faiss.fvec_inner_products_ny(*pointers, self.vectors.shape[1], count)
        return found

    def near(self, probes: Probes, scratch: Scratch, rows: slice, reach: int) -> Near:
        """What differs from a probe in at most `reach` signs, of rows that begin at a multiple of STEP."""
        count = rows.stop - rows.start
        if len(probes) * count > PAIRS:
            raise ValueError(f"{len(probes)} probes and {count} rows are more than {PAIRS} pairs")
        at = probes.signs[1], self._signs_at[rows.start // STEP]
        _faiss.hammings(*at, len(probes), count, self._signs.shape[1], scratch.differing_at)
        pairs = np.flatnonzero(scratch.differing[: len(probes) * count] <= reach)
        numbers, near = np.divmod(pairs, count)
        near += rows.start
        ends = np.searchsorted(numbers, range(len(probes) + 1)).tolist()
        codes, products = self._codes.take(near, axis=0), np.empty(pairs.size, np.float32)
        for number, (start, end) in enumerate(pairwise(ends)):
            if start < end:
                products[start:end] = _products(probes.codes[number], codes[start:end])
        measures = self._measures.take(near, axis=0)
        return numbers, near, *_bounded(products, measures, probes.scales[numbers], probes.errors[numbers])

    def reaching(self, probes: Probes, number: int, rows: slice, floor: float) -> Near:
        """What may reach the floor, of some rows."""
        products = _products(probes.codes[number], self._codes[rows])
        estimates, off = _bounded(products, self._measures[rows], probes.scales[number], probes.errors[number])
        few = np.flatnonzero(estimates + off >= floor)
        return np.full(few.size, number), few + rows.start, estimates[few], off[few]

    @property
    def _parts(self) -> tuple[npt.NDArray[Any], ...]:
        return self.vectors, self._codes, self._measures, self._signs


def _products(code: npt.NDArray[np.int8], codes: npt.NDArray[np.int8]) -> Vector:
    found: Vector = np.asarray(numkong.cdist(code[None], codes, "dot", out_dtype="float32"))[0]
    return found


def _bounded(
    products: Vector, measures: Vector, scale: Vector | np.float32, error: Vector | np.float32
) -> tuple[Vector, Vector]:
    """Estimates of similarities from products of byte codes, and what each is off by at most."""
    products *= measures[:, 0]
    products *= scale
    off = measures[:, 1] * (1 + error)
    off += error
    return products, off


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
