"""Embeddings as arrays."""

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""One embedding, [dimension], or several, [faces, dimension]; unit length unless said otherwise."""
