"""A fixed room for faces in three resolutions: float32, bytes and signs; and the kernels that compare a probe with it.

A byte code is the vector divided by its scale and rounded; `error` is the length of what rounding took away: by Cauchy
and Schwarz no similarity is further from its estimate than the errors allow. A sign code is one bit a number: vectors
at angle a differ in a share a / pi of random directions (Charikar 2002, "Similarity estimation techniques from
rounding algorithms"), so few differing bits mean high similarity.
"""

from functools import cached_property
from typing import Any

import faiss
import numkong
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
CAPACITY = 65_536
CODED = 128
# The kernels are found at run time: FAISS has no stubs for them.
_faiss: Any = faiss


class Probe:
    """A vector, [dimension], in all resolutions, each with a leading axis of one, computed when it is asked for."""

    def __init__(self, vector: Vector) -> None:
        self.vector = np.ascontiguousarray(vector[None], np.float32)

    @cached_property
    def signs(self) -> npt.NDArray[np.uint8]:
        """One bit a number."""
        return np.packbits(self.vector > 0, axis=1)

    @cached_property
    def coded(self) -> tuple[npt.NDArray[np.int8], np.float32, np.float32]:
        """Byte code, scale and error."""
        codes, scale, error = _to_bytes(self.vector)
        return codes, scale[0], error[0]


class Block:
    """CAPACITY rows of `dimension` numbers. Memory is taken up by the system as rows are first written."""

    def __init__(self, dimension: int) -> None:
        self.vectors = np.zeros((CAPACITY, dimension), np.float32)
        self._vectors_at = _faiss.swig_ptr(self.vectors)
        self._codes = np.zeros((CAPACITY, dimension), np.int8)
        self._scale = np.zeros(CAPACITY, np.float32)
        self._error = np.zeros(CAPACITY, np.float32)
        self._signs = np.zeros((CAPACITY, (dimension + 7) // 8), np.uint8)

    @property
    def row_bytes(self) -> int:
        """Memory of one row."""
        parts = (self.vectors, self._codes, self._scale, self._error, self._signs)
        return sum(part.nbytes for part in parts) // CAPACITY

    def write(self, rows: Rows, vectors: Vector) -> None:
        """Put vectors, [n, dimension], into rows; so few at a time that what is made of them stays in the cache."""
        for start in range(0, len(rows), CODED):
            few, here = vectors[start : start + CODED], rows[start : start + CODED]
            # Rows that follow each other are written faster as a slice.
            where = slice(here[0], here[-1] + 1) if np.all(np.diff(here) == 1) else here
            self._codes[where], self._scale[where], self._error[where] = _to_bytes(few)
            self._signs[where] = np.packbits(few > 0, axis=1)
            self.vectors[where] = few

    def erase(self, row: int) -> None:
        """Overwrite a row with zeros."""
        for part in (self.vectors, self._codes, self._scale, self._error, self._signs):
            part[row] = 0

    def estimates(self, probe: Probe, rows: slice | Rows) -> tuple[Vector, Vector]:
        """Estimates of the similarities of some rows, and what each is off by at most."""
        code, scale, error = probe.coded
        codes = self._codes[rows] if isinstance(rows, slice) else self._codes.take(rows, axis=0)
        if not len(codes):
            return np.empty(0, np.float32), np.empty(0, np.float32)
        found: Vector = np.asarray(numkong.cdist(code, codes, "dot", out_dtype="float32"))[0]
        found *= self._scale[rows]
        found *= scale
        off = self._error[rows] * (1 + error)
        off += error
        return found, off

    def products(self, probe: Probe, count: int) -> Vector:
        """The similarities of the first rows, up to float32's rounding; in this thread alone, as BLAS would not."""
        found = np.empty(count, np.float32)
        pointers = _faiss.swig_ptr(found), _faiss.swig_ptr(probe.vector), self._vectors_at
        _faiss.fvec_inner_products_ny(*pointers, self.vectors.shape[1], count)
        return found

    def differing_signs(self, probe: Probe, rows: slice) -> npt.NDArray[np.int32]:
        """In how many signs some rows differ from the probe."""
        signs = self._signs[rows]
        found = np.empty(len(signs), np.int32)
        _faiss.hammings(*map(_faiss.swig_ptr, (probe.signs, signs)), 1, *signs.shape, _faiss.swig_ptr(found))
        return found


def _to_bytes(vectors: Vector) -> tuple[npt.NDArray[np.int8], Vector, Vector]:
    """Codes, scale and error of each vector; the error is rounded up."""
    scale = np.maximum(vectors.max(axis=1), -vectors.min(axis=1)) / np.float32(127)
    scale[scale <= 0] = 1
    work = vectors / scale[:, None]
    np.rint(work, out=work)
    codes = work.astype(np.int8)
    work *= scale[:, None]
    work -= vectors
    error = np.sqrt(np.einsum("ij,ij->i", work, work)) * np.float32(1 + 1e-5)
    return codes, scale, error
