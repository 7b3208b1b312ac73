"""What a client refuses before it calls."""

from collections.abc import Callable

import pytest
from convoy.client.credentials import Credentials
from convoy.client.operations import models, people, recognition, vision
from convoy.core.client_settings import ClientSettings
from convoy.core.errors import InvalidArgument


@pytest.mark.parametrize(
    "ask",
    [
        lambda: vision.classify(b"a picture", model=":1"),
        lambda: recognition.register("staff", "ada", [b"a picture"], tags="night"),
        lambda: recognition.identify("staff", b"a picture", tags="night"),
        lambda: people.update_person("staff", "ada", add_tags="night"),
        lambda: people.update_person("staff", "ada", remove_tags="night"),
        lambda: models.list_models("recognition"),
        lambda: models.load_model("recognition", "any"),
        lambda: models.unload_model("recognition", "any"),
    ],
    ids=["version without a name", "register", "identify", "add", "remove", "list", "load", "unload"],
)
def test_what_would_be_taken_for_something_else_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ask()
    assert refused.value.reason == "BAD_ARGUMENT"


def test_a_token_of_several_lines_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidArgument) as refused:
        Credentials(ClientSettings(), "secret\nsecond line").metadata()
    assert "CONVOY_CLIENT_TOKEN" in refused.value.message and "secret" not in refused.value.message
