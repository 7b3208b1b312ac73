"""Tokens that no page had."""

import pytest
from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.pages import version_of


@pytest.mark.parametrize("token", [str(2**63), str(2**64), "9" * 5000, "-1", "1.5", "\u0661", "a", " 1"])
def test_a_version_that_no_page_had_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        version_of(token)


def test_versions() -> None:
    assert [version_of(token) for token in ("", "0", "17", str(2**63 - 1))] == [0, 0, 17, 2**63 - 1]
