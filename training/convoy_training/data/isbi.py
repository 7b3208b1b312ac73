"""ISBI 2012 (Arganda-Carreras et al. 2015): slices of a fly's nerve cord under the electron microscope.

image/NN.png is grey, mask/NN.png has 1 on membranes. The validation split is the last slices, not random ones, because
neighbouring slices show the same cells.
"""

from __future__ import annotations

from convoy_training.data.archive import open_archive
from convoy_training.data.faults import remembered
from convoy_training.data.masks import Example as Example
from convoy_training.data.masks import Split, build_split
from convoy_training.data.reading import PLAIN, Reading
from convoy_training.errors import LabelError

CLASSES = ("cell", "membrane")
VALIDATION = 5


@remembered
def load_split(path: str, split: str, how: Reading = PLAIN) -> Split:
    """Loads `train` (all slices but the last five) or `validation` (the last five)."""
    archive = open_archive(path)
    names = sorted(name for name in archive.files if name.startswith("image/"))
    if len(names) <= VALIDATION:
        raise LabelError("image", None, f"it needs more than {VALIDATION} slices, and has {len(names)}")
    pairs = []
    for name in names[-VALIDATION:] if split == "validation" else names[:-VALIDATION]:
        label = name.replace("image/", "mask/", 1)
        if label not in archive.files:
            raise LabelError(label, None, "the file does not exist")
        pairs.append((name, label))
    return build_split(archive, pairs, CLASSES)
