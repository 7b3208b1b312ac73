"""JWTs: what is taken, what is not, and the classic forgeries."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from convoy.core.errors import FailedPrecondition, Unauthenticated
from convoy.core.security.jwts import LEEWAY_S, Jwts, read_keys
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.jwts import AUDIENCE, ISSUER, Provider, make_key, public_jwk


@pytest.fixture(scope="module")
def provider() -> Provider:
    return Provider()


@pytest.fixture
def path(provider: Provider, tmp_path: Path) -> Path:
    return provider.write(tmp_path / "jwks.json")


@pytest.fixture
def jwts(path: Path) -> Jwts:
    return Jwts(path, ISSUER, AUDIENCE)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_good_token_names_its_caller(jwts: Jwts, provider: Provider, algorithm: str) -> None:
    caller = jwts.find(provider.token(algorithm, scope="openid gallery:staff:read scores gallery:*:owner"))
    assert (caller.name, caller.scopes) == ("ada", {"gallery:staff:read", "scores"})


@pytest.mark.parametrize("scopes", [["faces", "openid"], "faces openid"])
def test_scopes_may_be_a_list_of_their_own(jwts: Jwts, provider: Provider, scopes: Any) -> None:
    assert jwts.find(provider.token(scope=None, scopes=scopes)).scopes == {"faces"}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"iss": None},
        {"aud": None},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "a" * 129},
        {"sub": 7},
        {"nbf": 9_999_999_999},  # in the year 2286
        {"exp": "soon"},
    ],
    ids=str,
)
def test_a_claim_that_does_not_fit(jwts: Jwts, provider: Provider, claims: dict[str, Any]) -> None:
    subject = claims.get("sub")
    if isinstance(subject, int) or claims.get("exp") == "soon":
        # These cannot be written by the library that reads them: write the token by hand.
        token = forged(provider, claims)
    else:
        token = provider.token(**claims)
    with pytest.raises(Unauthenticated) as refused:
        jwts.find(token)
    assert refused.value.reason == "BAD_CREDENTIALS"


def forged(provider: Provider, claims: dict[str, Any]) -> str:
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 600}
    payload = json.dumps({name: value for name, value in (usual | claims).items() if value is not None}).encode()
    return str(jwt.PyJWS().encode(payload, provider.keys["ES256"], "ES256", headers={"kid": "ES256"}))


def test_an_expired_token_says_so(jwts: Jwts, provider: Provider) -> None:
    with pytest.raises(Unauthenticated) as refused:
        jwts.find(provider.token(exp=time.time() - 60))
    assert refused.value.reason == "TOKEN_EXPIRED"


def encoded(part: dict[str, str]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def claims_of(provider: Provider) -> bytes:
    return provider.token().split(".")[1].encode()


def test_an_unsigned_token_is_not_taken(jwts: Jwts, provider: Provider) -> None:
    for key_id in ("ES256", ""):
        token = b".".join([encoded({"alg": "none", "kid": key_id}), claims_of(provider), b""])
        with pytest.raises(Unauthenticated):
            jwts.find(token.decode())


def test_a_public_key_is_no_shared_secret(jwts: Jwts, provider: Provider) -> None:
    public = provider.keys["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = encoded({"alg": "HS256", "kid": "RS256"}) + b"." + claims_of(provider)
    mac = base64.urlsafe_b64encode(hmac.digest(public, signed, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(Unauthenticated):
        jwts.find((signed + b"." + mac).decode())


def test_a_key_inside_the_token_is_not_asked(jwts: Jwts, provider: Provider) -> None:
    mine = Provider()
    jwk = public_jwk(mine.keys["ES256"], "ES256", "mine")
    for headers in ({"kid": "ES256", "jwk": jwk}, {"kid": "mine", "jwk": jwk}, {"jku": "https://mine.example"}):
        with pytest.raises(Unauthenticated):
            jwts.find(mine.token(headers=headers))


@pytest.mark.parametrize("token", ["", "..", "a.b.c", "\x00.\x00.\x00", "e30.e30.e30", "ö.ö.ö"])
def test_what_is_no_token(jwts: Jwts, token: str) -> None:
    with pytest.raises(Unauthenticated):
        jwts.find(token)


def test_changed_characters_break_the_signature(jwts: Jwts, provider: Provider) -> None:
    token = provider.token("EdDSA")
    for place in range(token.index(".") + 1, len(token) - 2):
        if token[place] != ".":
            other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            with pytest.raises(Unauthenticated):
                jwts.find(other)


def test_keys_are_read_anew_when_the_file_changes(path: Path, provider: Provider) -> None:
    jwts, next_keys = Jwts(path, ISSUER, AUDIENCE), Provider()
    jwts.find(provider.token())
    next_keys.write(path)
    assert jwts.find(next_keys.token()).name == "ada"
    with pytest.raises(Unauthenticated):
        jwts.find(provider.token())
    path.write_text("{")  # a bad file: the last good keys stay
    assert jwts.find(next_keys.token()).name == "ada"


def test_a_token_without_key_id_needs_a_single_key(tmp_path: Path, provider: Provider) -> None:
    alone = tmp_path / "one.json"
    alone.write_text(json.dumps({"keys": [public_jwk(provider.keys["ES256"], "ES256", "only")]}))
    token = provider.token(headers={})
    assert Jwts(alone, ISSUER, AUDIENCE).find(token).name == "ada"
    with pytest.raises(Unauthenticated):
        Jwts(provider.write(tmp_path / "three.json"), ISSUER, AUDIENCE).find(token)


def test_only_public_keys_of_good_kinds_are_kept() -> None:
    weak = {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode(), "kid": "shared"}
    other = public_jwk(make_key("ES384"), "ES384", "p384")
    for_secrecy = public_jwk(make_key("RS256"), "RS256", "enc") | {"use": "enc"}
    good = public_jwk(make_key("ES256"), "ES256", "good")
    document = {"keys": [weak, other, for_secrecy, good, {"kty": "new"}]}
    assert list(read_keys(json.dumps(document).encode())) == ["good"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": []}', b"\xff"])
def test_a_file_without_keys(content: bytes) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        read_keys(content)
    assert refused.value.reason == "BAD_JWKS"


def test_issuer_and_audience_are_needed(path: Path) -> None:
    for issuer, audience in (("", AUDIENCE), (ISSUER, "")):
        with pytest.raises(FailedPrecondition, match="CONVOY_JWT_ISSUER and CONVOY_JWT_AUDIENCE"):
            Jwts(path, issuer, audience)


def test_a_remembered_token_ends_with_its_keys_and_its_time(
    path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    jwts, token = Jwts(path, ISSUER, AUDIENCE), provider.token(exp=time.time() + 600)
    assert jwts.known(token) is None
    found = jwts.find(token)
    assert jwts.known(token) is found
    now = time.time()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + 600 + LEEWAY_S + 1)
        assert jwts.known(token) is None
    jwts.find(token)
    Provider().write(path)
    assert jwts.known(token) is None


def test_no_more_tokens_are_remembered_than_fit(
    jwts: Jwts, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convoy.core.security.jwts.MOST_KNOWN", 2)
    tokens = [provider.token(sub=name) for name in ("ada", "bob", "eve")]
    for token in tokens:
        jwts.find(token)
    assert [jwts.known(token) is not None for token in tokens] == [False, True, True]
