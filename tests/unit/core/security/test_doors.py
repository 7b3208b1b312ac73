"""A door is believed for whom it calls if it knows the secret, and nobody else is."""

import pytest
from convoy.core.security.doors import Doors

PEER = "ipv4:10.0.0.9:4711"


def said(client: str, secret: str) -> tuple[tuple[str, str], ...]:
    return ("convoy-client", client), ("convoy-door", secret), ("authorization", "Bearer x")


@pytest.mark.parametrize(
    ("client", "name"),
    [("203.0.113.7", "ipv4:203.0.113.7:0"), ("2001:db8::1", "ipv6:[2001:db8::1]:0"), ("", PEER), ("evil", PEER)],
)
def test_a_door_with_the_secret_names_the_client(client: str, name: str) -> None:
    assert Doors("s" * 32).client_of(PEER, said(client, "s" * 32)) == name


@pytest.mark.parametrize("secret", ["", "wrong", "s" * 31])
def test_others_name_nobody(secret: str) -> None:
    assert Doors("s" * 32).client_of(PEER, said("203.0.113.7", secret)) == PEER
    assert Doors("s" * 32).client_of(PEER, (("convoy-client", "203.0.113.7"),)) == PEER


def test_without_a_secret_no_door_is_believed() -> None:
    assert not Doors().are_believed
    assert Doors().client_of(PEER, said("203.0.113.7", "")) == PEER
