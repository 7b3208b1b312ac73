"""Checks JSON Web Tokens (RFC 7519) of an identity provider by the keys of a JWKS file (RFC 7517).

The claim `sub` is the caller's name. The words of `scope` (RFC 8693), or the list `scopes`, are the scopes. Convoy
ignores scopes that it does not know, since providers add their own. Signatures must be RS256, ES256 or EdDSA: these use
public keys, so a service that can check a token cannot make one.
"""

import hashlib
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from convoy.core.errors import FailedPrecondition, Unauthenticated
from convoy.core.security.callers import Caller
from convoy.core.security.files import Watched, read_file
from convoy.core.security.scopes import is_scope

ALGORITHMS = {"RS256", "ES256", "EdDSA"}
LEEWAY_S = 30
MAX_NAME = 128
MOST_KNOWN = 10_000
_CLAIMS = ["exp", "iss", "aud", "sub"]


class _Known(NamedTuple):
    caller: Caller
    good_until: float


class Jwts:
    """Checks tokens of one issuer for one audience, and remembers good ones: a client sends one with each call."""

    def __init__(self, path: Path, issuer: str, audience: str) -> None:
        if not issuer or not audience:
            message = "CONVOY_JWKS_FILE needs CONVOY_JWT_ISSUER and CONVOY_JWT_AUDIENCE too"
            raise FailedPrecondition("BAD_JWKS", message)
        self._issuer = issuer
        self._audience = audience
        self._keys = Watched([path], lambda: read_keys(read_file(path)))
        self._known: dict[bytes, _Known] = {}
        self._known_by = self._keys.current()

    def known(self, token: str) -> Caller | None:
        """Return the caller of a token that `find` has found good, while it and the file's keys last."""
        if self._keys.current() is not self._known_by:
            self._known, self._known_by = {}, self._keys.current()
        digest = _digest(token)
        if (known := self._known.get(digest)) is None:
            return None
        if known.good_until <= time.time():
            del self._known[digest]
            return None
        return known.caller

    def find(self, token: str) -> Caller:
        """Return the caller whose token this is. Raises Unauthenticated(TOKEN_EXPIRED, BAD_CREDENTIALS)."""
        try:
            claims = self._claims(token)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("TOKEN_EXPIRED", "the token has expired; get a new one from its issuer") from None
        except jwt.PyJWTError as error:
            raise _refused(type(error).__name__) from None
        name = claims["sub"]
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise _refused("sub is not a name")
        caller = Caller(name, _scopes(claims))
        self._remember(token, _Known(caller, int(claims["exp"]) + LEEWAY_S))
        return caller

    def _remember(self, token: str, known: _Known) -> None:
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[_digest(token)] = known

    def _claims(self, token: str) -> dict[str, Any]:
        keys, key_id = self._keys.current(), jwt.get_unverified_header(token).get("kid")
        # A token without a key id is accepted if there is only one key.
        key = keys.get(key_id) if key_id else next(iter(keys.values())) if len(keys) == 1 else None
        if key is None:
            raise jwt.InvalidKeyError
        return jwt.decode(
            token,
            key,
            algorithms=[str(key.algorithm_name)],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_S,
            options={"require": _CLAIMS},
        )


def read_keys(content: bytes) -> dict[str, jwt.PyJWK]:
    """Read the keys of a JWKS document that Convoy can use, by key id. Raises FailedPrecondition(BAD_JWKS)."""
    try:
        found = [key for one in json.loads(content)["keys"] if (key := _read_key(one)) is not None]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the JWKS file is not a readable set of keys ({type(error).__name__})"
        raise FailedPrecondition("BAD_JWKS", message) from None
    if not found:
        raise FailedPrecondition(
            "BAD_JWKS", f"the JWKS file has no public key for any of {', '.join(sorted(ALGORITHMS))}"
        )
    return {key.key_id or "": key for key in found}


def _read_key(document: dict[str, Any]) -> jwt.PyJWK | None:
    """One key; None for keys of other kinds and uses, which providers publish in the same file."""
    try:
        key = jwt.PyJWK.from_dict(document)
    except jwt.PyJWTError:
        return None
    return key if key.algorithm_name in ALGORITHMS and (key.public_key_use or "sig") == "sig" else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    said = claims.get("scope", claims.get("scopes", ()))
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else ()
    return frozenset(word for word in words if isinstance(word, str) and is_scope(word))


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated("BAD_CREDENTIALS", "the token is unknown or not valid", {"problem": why})
