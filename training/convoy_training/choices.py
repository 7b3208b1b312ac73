"""The values that options of `convoy-train` may have. They stand here alone, so that `--help` loads nothing else."""

from __future__ import annotations

from typing import Literal

Accelerator = Literal["auto", "cpu", "cuda", "mps"]
Form = Literal["int8", "float16"]
"""The precision of a smaller form of a model."""
Protocol = Literal["lfw", "pairs", "identification", "same-photo", "size", "enrolment", "liveness"]
FAR, SAME_PERSON = 0.1, 0.8
"""Similarities for `clean`: below the first an image is far from its person; from the second on two names are one."""
