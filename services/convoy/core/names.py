"""Names that people type: one text may be written in several forms of Unicode, and Convoy keeps one (NFC).

A Mac writes the folder José with an e and an accent behind it (NFD); a keyboard writes one letter (NFC).
"""

import unicodedata
from collections.abc import Mapping
from urllib.parse import quote

MOST_ID = 128


def composed(text: str) -> str:
    """The text in the form that is kept: NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def decomposed(text: str) -> str:
    """The text as a Mac writes names of files: NFD."""
    return text if text.isascii() else unicodedata.normalize("NFD", text)


def composed_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """Facts in the form that is kept."""
    return {composed(key): composed(value) for key, value in facts.items()}


def folded(text: str) -> str:
    """The form that is the same however the text is capitalised."""
    return composed(composed(text).casefold())


def other_forms(text: str) -> tuple[str, ...]:
    """The forms, composed and decomposed, in which a text may be kept besides the one given; none for ASCII."""
    forms = (composed(text), decomposed(text))
    return tuple(dict.fromkeys(form for form in forms if form != text))


def ids_of_name(name: str) -> tuple[str, ...]:
    """The ids that a person may have whom a program knows by name alone, in the order in which they are looked for.

    First the name as it stands, if it can be an id (`Joe_Biden`); then `id_of_name`. Empty if neither can be one.
    """
    return tuple(one for one in dict.fromkeys((composed(name), id_of_name(name))) if is_id(one))


def id_of_name(name: str) -> str:
    """The id that such a person gets who is new: in lower case, and with a percent sign for what no id may have.

    "Ada Lovelace" -> "ada%20lovelace". It may be too long for an id.
    """
    return "".join(sign if is_id(sign) and sign != "%" else quote(sign, safe="") for sign in folded(name))


def is_id(text: str) -> bool:
    """Whether it can be a person's id: 1 to 128 printable characters without space."""
    return 1 <= len(text) <= MOST_ID and text.isprintable() and not any(map(str.isspace, text))


def look_of(text: str) -> str:
    """What a text looks like: texts that people confuse have one look. It ignores case, accents and separators.

    Letters of other alphabets that look like Latin ones count as those, 0 as o, 1 and i as l. Source: a part of the
    table of Unicode Technical Standard 39.
    """
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_LATIN)
    return "".join(character for character in plain if character.isalnum())


_LATIN = str.maketrans(
    # Cyrillic, then Greek, then digits and letters that are confused with one another.
    "\u0430\u0432\u0441\u0435\u043d\u0456\u0458\u043a\u043c\u043e\u0440\u0455\u0442\u0443\u0445\u0501\u051b\u051d"
    "\u03b1\u03b2\u03b5\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03b6"
    "01i",
    "abcehljkmopstyxdqwabenlkuvoptuxzoll",
)
