"""A fixed room for faces in three resolutions: float32, bytes and signs; and the kernels that compare a probe with it.

A byte code is the vector divided by its scale and rounded; `error` is the length of what rounding took away: by Cauchy
and Schwarz no similarity is further from its estimate than the errors allow. A sign code is one bit a number: vectors
at angle a differ in a share a / pi of random directions (Charikar 2002, "Similarity estimation techniques from
rounding algorithms"), so few differing bits mean high similarity.
"""

from functools import cached_property
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import simsimd

Vector = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
CAPACITY = 65_536
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
        """Put vectors, [n, dimension], into rows."""
        codes, scale, error = _to_bytes(vectors)
        self._codes[rows], self._scale[rows], self._error[rows] = codes, scale, error
        self._signs[rows] = np.packbits(vectors > 0, axis=1)
        self.vectors[rows] = vectors

    def erase(self, row: int) -> None:
        """Overwrite a row with zeros."""
        for part in (self.vectors, self._codes, self._scale, self._error, self._signs):
            part[row] = 0

    def similarities(self, probe: Probe, rows: Rows) -> Vector:
        """Inner products of the probe with some rows, in float32."""
        found = np.empty(rows.size, np.float32)
        pointers = map(_faiss.swig_ptr, (found, probe.vector, self.vectors, np.ascontiguousarray(rows)))
        _faiss.fvec_inner_products_by_idx(*pointers, probe.vector.shape[1], 1, rows.size)
        return found

    def all_similarities(self, probe: Probe, count: int) -> Vector:
        """Inner products of the probe with the first `count` rows, in float32."""
        found = np.empty(count, np.float32)
        pointers = map(_faiss.swig_ptr, (found, probe.vector, self.vectors))
        _faiss.fvec_inner_products_ny(*pointers, probe.vector.shape[1], count)
        return found

    def estimates(self, probe: Probe, count: int) -> tuple[Vector, Vector]:
        """Estimates of the first `count` similarities, and what each is off by at most."""
        codes, scale, error = probe.coded
        dots = np.empty((1, count), np.float32)
        simsimd.cdist(codes, self._codes[:count], metric="dot", out=dots, out_dtype="float32")
        found = dots[0]
        found *= self._scale[:count]
        found *= scale
        off = self._error[:count] * (1 + error)
        off += error
        return found, off

    def differing_signs(self, probe: Probe, count: int) -> npt.NDArray[np.int32]:
        """In how many signs the first `count` rows differ from the probe."""
        found = np.empty(count, np.int32)
        size = self._signs.shape[1]
        pointers = map(_faiss.swig_ptr, (probe.signs, self._signs))
        _faiss.hammings(*pointers, 1, count, size, _faiss.swig_ptr(found))
        return found


def _to_bytes(vectors: Vector) -> tuple[npt.NDArray[np.int8], Vector, Vector]:
    """Codes, scale and error of each vector; the error is rounded up."""
    scale = np.abs(vectors).max(axis=1) / 127
    divisor = np.where(scale > 0, scale, 1).astype(np.float32)
    codes = np.rint(vectors / divisor[:, None]).astype(np.int8)
    error = np.linalg.norm(vectors - codes * divisor[:, None], axis=1) * (1 + 1e-5)
    return codes, divisor, error.astype(np.float32)
