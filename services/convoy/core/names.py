"""Names that people type: one text may be written in several forms of Unicode, and Convoy keeps one (NFC).

A Mac writes the folder José with an e and an accent behind it (NFD); a keyboard writes one letter (NFC).
"""

import unicodedata
from collections.abc import Mapping


def composed(text: str) -> str:
    """The text in the form that is kept: NFC."""
    return unicodedata.normalize("NFC", text)


def composed_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """Facts in the form that is kept."""
    return {composed(key): composed(value) for key, value in facts.items()}


def other_forms(text: str) -> tuple[str, ...]:
    """The forms in which earlier versions may have kept a text, besides the text itself: as composed and decomposed."""
    forms = (composed(text), unicodedata.normalize("NFD", text))
    return tuple(dict.fromkeys(form for form in forms if form != text))
