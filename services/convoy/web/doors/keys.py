"""A client's key is a token of Convoy's: it says who calls, and which gallery the client works on.

There is no other store of keys. The web door looks a key up in the tokens file, by its hash as services do, checks the
scopes of each call itself, and passes the key on as the token: services that read tokens check it again, and services
that read none are not open to a key that may do less.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from convoy.core.api import ServiceName
from convoy.core.errors import InvalidArgument, PermissionDenied, Unauthenticated
from convoy.core.security.callers import ANYBODY, Caller
from convoy.core.security.guard import LOOPBACK, check_scopes, hide_scores
from convoy.core.security.scopes import SCORES, SERVICES, gallery_scope
from convoy.core.security.tokens import Tokens
from convoy.core.settings import Settings

_GALLERY = "gallery:"
_WITHOUT_KEY = "a client without a key"


@dataclass(frozen=True, slots=True)
class Admission:
    """What a key opens. token: goes on to the services, empty for none; caller: whose it is, with the scopes."""

    token: str
    gallery: str
    caller: Caller

    def need_gallery(self) -> str:
        """The one gallery. Raises PermissionDenied(NO_ONE_GALLERY)."""
        if not self.gallery:
            hint = "make a token with the scope of one gallery, or name the gallery in CONVOY_DOORS_GALLERY"
            raise PermissionDenied("NO_ONE_GALLERY", "this key does not say which gallery it is for", hint=hint)
        return self.gallery

    def need_scores(self) -> None:
        """Raise PermissionDenied(SCOPE_MISSING) if the key may not see scores, of which every answer is made."""
        if self.caller.scopes is not None and SCORES not in self.caller.scopes:
            raise PermissionDenied("SCOPE_MISSING", f"this key needs the scope {SCORES}: the answer is a score")

    def check(self, method: str, service: ServiceName, message: Any) -> None:
        """Raise PermissionDenied(SCOPE_MISSING, NOT_ALLOWED) unless the key may send it by /package.Service/Name."""
        check_scopes(method, message, self.caller, service)

    def hide(self, answer: Any) -> None:
        """Clear the scores of an answer that the key may not see."""
        hide_scores(answer, self.caller)


class Keys:
    """Finds what a key opens.

    Without a tokens file every key goes on to the services as it is, and opens the gallery of CONVOY_DOORS_GALLERY with
    the services, and nothing else. Only on loopback, without that setting, it opens whatever the services do.

    Raises FailedPrecondition(NO_FILE, BAD_TOKENS_FILE).
    """

    def __init__(self, settings: Settings) -> None:
        self._tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
        self._gallery = settings.doors_gallery
        self._anybody = _anybody(settings)

    def admit(self, key: str) -> Admission:
        """What the key opens. Raises Unauthenticated(NO_CREDENTIALS, BAD_CREDENTIALS)."""
        if self._tokens is None:
            return Admission(key, self._gallery, self._anybody)
        if not key:
            raise Unauthenticated("NO_CREDENTIALS", "the request has no key")
        caller = self._tokens.find(key) if key.isascii() else None
        if caller is None:
            raise Unauthenticated("BAD_CREDENTIALS", "the key is unknown")
        return Admission(key, _one_gallery(caller.scopes or ()) or self._gallery, caller)


def _anybody(settings: Settings) -> Caller:
    """Who calls where keys are not checked."""
    if not settings.doors_gallery and settings.host in LOOPBACK:
        return ANYBODY
    galleries = [gallery_scope(settings.doors_gallery, "admin")] if settings.doors_gallery else []
    return Caller(_WITHOUT_KEY, frozenset((*galleries, *SERVICES, SCORES)))


def read_token(settings: Settings) -> str:
    """The token of DeepStack's clients that send none; empty for none. Raises InvalidArgument(BAD_ARGUMENT)."""
    path = settings.deepstack_token_file
    if path is None:
        return ""
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument("BAD_ARGUMENT", f"CONVOY_DEEPSTACK_TOKEN_FILE: {path} is not readable: {error}") from None


def bearer_of(request: Request) -> str:
    """The token of a client that sends one as Convoy's own do; empty for none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _one_gallery(scopes: Iterable[str]) -> str:
    """The only gallery that scopes name; empty if there is none, or more than one."""
    named = {scope.split(":")[1] for scope in scopes if scope.startswith(_GALLERY)} - {"*"}
    return named.pop() if len(named) == 1 else ""
