"""URLs of stores."""

import pytest
from convoy.core.errors import InvalidArgument
from convoy.recognition.store.connection import connect


@pytest.mark.parametrize(
    "url",
    [
        "",
        "foo://secret@x",
        "redis://:secret@x:port/0",
        "redis://[secret",
        "redis+sentinel://secret",
        "redis+sentinel://secret/0/people",
        "redis+sentinel://secret:26379/zero/people",
        "redis+cluster://:secret@x:port",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidArgument, match="CONVOY_REDIS_URL") as refused:
        connect(url, None)
    assert "secret" not in refused.value.message
