"""What one look at a machine or a deployment found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """about: what was looked at; says: one sentence; advice: what to do, empty where nothing has to be done."""

    level: Level
    about: str
    says: str
    advice: str = ""


def good(about: str, says: str) -> Finding:
    """All is as it should be."""
    return Finding("good", about, says)


def warning(about: str, says: str, advice: str) -> Finding:
    """It works, and somebody should know."""
    return Finding("warning", about, says, advice)


def problem(about: str, says: str, advice: str) -> Finding:
    """Something does not work, or loses data."""
    return Finding("problem", about, says, advice)
