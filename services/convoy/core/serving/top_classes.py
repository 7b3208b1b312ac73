"""The highest values of an output as text, which the protocol's classification extension asks for."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def top_classes(rows: npt.NDArray[np.generic], count: int, labels: Sequence[str]) -> npt.NDArray[np.object_]:
    """Return the highest values of each row [N, C] as bytes "value:index:label" [N, min(count, C)], highest first.

    Of equal values the lower index comes first. labels: without one for each value, the text ends after the index.
    Source: Triton's classification extension; its server writes floats with six decimals.
    """
    classes = rows.shape[1]
    named = labels if len(labels) == classes else ()
    # A stable sort of the reversed row, itself reversed, keeps equal values in the order of their indices.
    highest = (classes - 1 - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1])[:, :count]
    texts = [[_text(row[index], int(index), named) for index in best] for row, best in zip(rows, highest, strict=True)]
    return np.array(texts, np.object_)


def _text(value: np.generic, index: int, labels: Sequence[str]) -> bytes:
    number = f"{float(value):f}" if value.dtype.kind == "f" else str(int(value))
    return ":".join([number, str(index), *labels[index : index + 1]]).encode()
