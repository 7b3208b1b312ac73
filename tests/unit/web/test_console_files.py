"""The files of the console: complete in every language, small, and without anything from elsewhere."""

import gzip
import re
from pathlib import Path

import pytest
from convoy.web.application import CONSOLE

SOURCES = sorted(CONSOLE.rglob("*.js"))
LANGUAGES = [path for path in SOURCES if path.parent.name == "text" and path.name != "languages.js"]
MOST_COMPRESSED = 200 * 1024


def texts(path: Path) -> dict[str, str]:
    """Key -> text. Every line but the first and the last is one."""
    lines = path.read_text().strip().splitlines()[1:-1]
    found = [re.fullmatch(r'  (\w+): "(.*)",', line) for line in lines]
    assert all(found), [line for line, one in zip(lines, found, strict=True) if not one]
    pairs = [(one[1], one[2]) for one in found if one]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


ENGLISH = texts(CONSOLE / "text" / "en.js")


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_every_language_says_everything_with_the_same_values(path: Path) -> None:
    said = texts(path)
    assert list(said) == list(ENGLISH)
    assert all(said.values())
    values = {key: sorted(re.findall(r"{\w+}", text)) for key, text in said.items()}
    assert values == {key: sorted(re.findall(r"{\w+}", text)) for key, text in ENGLISH.items()}
    assert f'./{path.name}"' in (CONSOLE / "text" / "languages.js").read_text()


def test_every_text_that_is_asked_for_is_there_and_none_is_left_over() -> None:
    code = "\n".join(path.read_text() for path in SOURCES if path not in LANGUAGES)
    assert set(re.findall(r'\bt\("(\w+)"', code)) - set(ENGLISH) == set()
    left = {key for key in ENGLISH if not re.search(rf"[\"'.]{key}\b|\b{key}[:,]", code)}
    assert left - {"language"} == set()


def test_the_whole_console_is_small() -> None:
    sizes = [len(gzip.compress(path.read_bytes())) for path in CONSOLE.rglob("*") if path.is_file()]
    assert len(sizes) > 20 and sum(sizes) <= MOST_COMPRESSED


def test_it_needs_nothing_from_elsewhere_and_no_leave_of_the_policy() -> None:
    for path in CONSOLE.rglob("*"):
        if path.suffix not in (".js", ".html", ".css"):
            continue
        text = path.read_text()
        assert re.findall(r"[\"'(]https?://(?!www\.w3\.org)[^\"')]*", text) == [], path
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|style=|<script>|\son\w+=\"", text), (
            path
        )
