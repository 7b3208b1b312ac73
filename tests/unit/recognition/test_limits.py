"""Text that is kept: bounded, and nothing that a terminal would obey."""

import pytest
from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.limits import check_gallery_name, check_metadata, check_text


@pytest.mark.parametrize("text", ["\x1b[31mred", "two\nlines", "bell\x07", "nul\x00", "c1 \x9b31m"], ids=repr)
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="control character"):
        check_text("display_name", text)
    with pytest.raises(InvalidArgument, match="control character"):
        check_metadata({"room": text})


@pytest.mark.parametrize("text", ["Ada Lovelace", "Zoë 🚀", "علی‌رضا", "陳大文", "[red]x[/red]"])
def test_names_of_all_scripts_are_kept(text: str) -> None:
    check_text("display_name", text)
    check_metadata({text: text})


@pytest.mark.parametrize("name", ["staff", "a", "_hidden", "2026-11", "x" * 64])
def test_names_of_galleries(name: str) -> None:
    check_gallery_name(name)


@pytest.mark.parametrize("name", ["", "-x", "--help", "x" * 65, "Staff", "a b", "a/b", "\u0430"])
def test_what_is_no_name_of_a_gallery(name: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot name a gallery"):
        check_gallery_name(name)
