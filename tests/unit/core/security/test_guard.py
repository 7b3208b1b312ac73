"""Forged JWTs are counted before a signature is checked, and keep out nobody who is known."""

from contextlib import suppress
from pathlib import Path

import pytest
from convoy.core.errors import ConvoyError, ResourceExhausted, Unauthenticated
from convoy.core.security.guard import REFUSED_AT_ONCE, REFUSED_PER_S, Guard
from convoy.core.security.jwts import Jwts
from convoy.core.security.rates import Rates
from convoy.core.settings import Settings

from tests.jwts import AUDIENCE, ISSUER, Provider

METHOD = "/convoy.v1.ClassificationService/Classify"
HERE, ELSEWHERE = "ipv4:10.0.0.1:4711", "ipv4:10.0.0.2:4711"


@pytest.fixture(scope="module")
def provider() -> Provider:
    return Provider()


@pytest.fixture
def guard(provider: Provider, tmp_path: Path) -> Guard:
    jwks = provider.write(tmp_path / "jwks")
    guard = Guard("classification", Settings(jwks_file=jwks, jwt_issuer=ISSUER, jwt_audience=AUDIENCE))
    guard._refused = Rates(REFUSED_PER_S, REFUSED_AT_ONCE, lambda: 0.0)  # however long the test takes
    return guard


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was looked at."""
    tokens, find = list[str](), Jwts.find
    monkeypatch.setattr(Jwts, "find", lambda jwts, token: tokens.append(token) or find(jwts, token))
    return tokens


def identify(guard: Guard, token: str, peer: str) -> str:
    return guard.identify(METHOD, [("authorization", f"Bearer {token}")], peer).name


def refuse(guard: Guard, token: str, peer: str) -> ConvoyError:
    """Why a token is refused; counted as a service counts it."""
    with pytest.raises(ConvoyError) as refused:
        identify(guard, token, peer)
    with suppress(ResourceExhausted):
        guard.count_refused(peer)
    return refused.value


def test_after_many_forged_tokens_no_signature_of_that_host_is_checked(
    guard: Guard, provider: Provider, checked: list[str]
) -> None:
    known, forged = provider.token(), Provider().token(headers={"kid": "ES256"})
    assert identify(guard, known, HERE) == "ada"
    assert {type(refuse(guard, forged, HERE)) for _ in range(REFUSED_AT_ONCE)} == {Unauthenticated}
    checked.clear()
    refusals = [refuse(guard, forged, HERE) for _ in range(3)]
    assert {refusal.reason for refusal in refusals} == {"RATE_LIMITED"} and not checked
    assert all(refusal.retry_delay_s for refusal in refusals if isinstance(refusal, ResourceExhausted))
    assert identify(guard, known, HERE) == "ada" and not checked
    assert refuse(guard, provider.token(sub="bob"), HERE).reason == "RATE_LIMITED"
    assert identify(guard, provider.token(sub="bob"), ELSEWHERE) == "bob"


def test_a_good_token_is_checked_once(guard: Guard, provider: Provider, checked: list[str]) -> None:
    token = provider.token()
    assert [identify(guard, token, HERE) for _ in range(3)] == ["ada"] * 3
    assert checked == [token]


def test_good_tokens_cost_no_refusal(guard: Guard, provider: Provider) -> None:
    for number in range(REFUSED_AT_ONCE + 5):
        assert identify(guard, provider.token("EdDSA", sub=f"caller-{number}"), HERE) == f"caller-{number}"
