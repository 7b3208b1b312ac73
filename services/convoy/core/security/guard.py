"""Checks who makes a call, whether they may, and whether they call too fast; hides scores that they may not see."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from convoy.core.errors import PermissionDenied, ResourceExhausted, Unauthenticated
from convoy.core.security import scores
from convoy.core.security.callers import ANYBODY, Caller
from convoy.core.security.demands import demand_of
from convoy.core.security.rates import Rates, host_of
from convoy.core.security.scopes import SCORES, allows, names_gallery
from convoy.core.security.tokens import Tokens
from convoy.core.settings import Settings
from convoy.core.telemetry import STRANGERS_LIMITED
from convoy.core.turns import spread_s

if TYPE_CHECKING:
    from convoy.core.security.jwts import Jwts

log = structlog.get_logger()
METADATA_KEY = "authorization"
SCHEME = "bearer "
STRANGERS_PER_S = 200
"""Health checks and the like that one host may make a second."""
REFUSED_PER_S, REFUSED_AT_ONCE, ALL_REFUSED_PER_S = 20, 200, 200
"""Calls without a good token, or without leave, that are answered with the reason and a log line: of one host a second,
of one host after a pause, of all hosts a second. More are told to wait, and nothing else is done for them."""
LOOPBACK = {"127.0.0.1", "::1", "[::1]", "localhost"}


class Guard:
    """Guards one service by its settings. Without a tokens file and a JWKS file everybody may make every call."""

    def __init__(self, service: str, settings: Settings) -> None:
        """Raises FailedPrecondition(NO_FILE, BAD_TOKENS_FILE, BAD_JWKS)."""
        jwks = settings.jwks_file
        self._service = service
        self._tokens = Tokens(settings.tokens_file) if settings.tokens_file else None
        self._jwts = _jwts(jwks, settings) if jwks else None
        self._rates = Rates(settings.rate_limit, settings.rate_limit_burst) if settings.rate_limit else None
        self._strangers = Rates(STRANGERS_PER_S, 2 * STRANGERS_PER_S)
        self._refused = Rates(REFUSED_PER_S, REFUSED_AT_ONCE)
        self._all_refused = Rates(ALL_REFUSED_PER_S, 5 * ALL_REFUSED_PER_S)
        self.is_open = self._tokens is None and self._jwts is None

    def warn(self, host: str) -> None:
        """Log a warning if other machines can reach a service that checks no tokens."""
        if self.is_open and host not in LOOPBACK and not host.startswith("unix:"):
            log.warning(
                "anybody who reaches this address may use the service; docs/security.md says how to turn tokens on",
                host=host,
            )

    def identify(self, method: str, metadata: Iterable[tuple[str, str | bytes]], peer: str) -> Caller:
        """Return the caller. peer: whose refused calls count.

        Raises Unauthenticated(NO_CREDENTIALS, BAD_CREDENTIALS, TOKEN_EXPIRED), ResourceExhausted(RATE_LIMITED).
        """
        demand = demand_of(method)
        if self.is_open or (demand and demand.is_open):
            return ANYBODY
        said = next((value for key, value in metadata if key == METADATA_KEY), "")
        if not isinstance(said, str) or not said.lower().startswith(SCHEME):
            raise Unauthenticated(
                "NO_CREDENTIALS", "the call has no token; send the metadata `authorization: Bearer ...`"
            )
        return self._find(said[len(SCHEME) :].strip(), peer)

    def _find(self, token: str, peer: str) -> Caller:
        if not token.isascii():
            raise Unauthenticated("BAD_CREDENTIALS", "the token is unknown or not valid")
        # A JWT has two dots, a token of the file has none.
        if self._jwts is not None and token.count(".") == 2:
            if (known := self._jwts.known(token)) is not None:
                return known
            # A signature takes a tenth of a millisecond to check: not for a host whose calls were refused too often.
            if delay_s := self._refused.wait_s(host_of(peer)):
                raise _too_many(delay_s)
            return self._jwts.find(token)
        if self._tokens is not None and (found := self._tokens.find(token)) is not None:
            return found
        raise Unauthenticated("BAD_CREDENTIALS", "the token is unknown or not valid")

    def admit(self, method: str, request: Any, caller: Caller) -> None:
        """Raise PermissionDenied(SCOPE_MISSING, NOT_ALLOWED) unless the caller may send this request."""
        check_scopes(method, request, caller, self._service)

    def admit_unseen(self, method: str, caller: Caller) -> None:
        """Raise PermissionDenied(SCOPE_MISSING) if the caller may not send any request of this call.

        This comes before the request does, so that who may not call cannot fill the memory either.
        """
        demand = demand_of(method)
        if caller.scopes is None:
            return
        if demand is None:
            raise _not_allowed()
        if demand.if_set:
            return
        scope = demand.scope
        if not scope.path or scope.path == ("service",):
            _need(scope.fill(None, self._service), caller)
        elif not any(map(names_gallery, caller.scopes)):
            _need(scope.of("*"), caller)

    def is_open_to_all(self, method: str) -> bool:
        """Whether anybody may make the call without a token, although tokens are on."""
        demand = demand_of(method)
        return demand is not None and demand.is_open

    def count_stranger(self, peer: str) -> None:
        """Count a call that anybody may make. Raises ResourceExhausted(RATE_LIMITED) if one host makes very many."""
        if delay_s := self._strangers.take(host_of(peer)):
            STRANGERS_LIMITED.labels("open").inc()
            raise _too_many(delay_s)

    def count_refused(self, peer: str) -> None:
        """Count a call that is refused for want of a token or a scope. Raises ResourceExhausted(RATE_LIMITED)."""
        if delay_s := self._refused.take(host_of(peer)) or self._all_refused.take(""):
            STRANGERS_LIMITED.labels("refused").inc()
            raise _too_many(delay_s)

    def count(self, caller: Caller, peer: str) -> None:
        """Count a call against the caller's rate. Raises ResourceExhausted(RATE_LIMITED)."""
        if delay_s := self._take(caller, peer):
            raise _too_many(delay_s)

    async def each(self, method: str, requests: AsyncIterator[Any], caller: Caller, peer: str) -> AsyncIterator[Any]:
        """Yield the messages of a stream, each admitted like a call. One that comes too fast is read later."""
        is_first = True
        async for request in requests:
            while not is_first and (delay_s := self._take(caller, peer)):
                await asyncio.sleep(delay_s)
            is_first = False
            self.admit(method, request, caller)
            yield request

    def hide(self, response: Any, caller: Caller) -> None:
        """See hide_scores."""
        hide_scores(response, caller)

    def _take(self, caller: Caller, peer: str) -> float:
        return 0.0 if self._rates is None else self._rates.take(f"name:{caller.name}" if caller.name else host_of(peer))


def check_scopes(method: str, request: Any, caller: Caller, service: str) -> None:
    """Raise PermissionDenied(SCOPE_MISSING, NOT_ALLOWED) unless the caller may send this request to this service."""
    if caller.scopes is None:
        return
    demand = demand_of(method)
    if demand is None:
        raise _not_allowed()
    _need(demand.scope_of(request, service), caller)
    if SCORES not in caller.scopes and scores.has_scores(request.DESCRIPTOR) and scores.sets_score(request):
        _need(SCORES, caller, "to choose the threshold or the rate of a decision")


def hide_scores(response: Any, caller: Caller) -> None:
    """Clear the scores of an answer if the caller lacks the scope for them."""
    if caller.scopes is not None and SCORES not in caller.scopes and scores.has_scores(response.DESCRIPTOR):
        scores.hide(response)


def _jwts(jwks: Path, settings: Settings) -> "Jwts":
    """Import the module only if it is needed: cryptography takes 6 MiB of memory."""
    from convoy.core.security.jwts import Jwts

    return Jwts(jwks, settings.jwt_issuer, settings.jwt_audience)


def _too_many(delay_s: float) -> ResourceExhausted:
    return ResourceExhausted("RATE_LIMITED", f"too many calls; wait {delay_s:.2g} s before the next", spread_s(delay_s))


def _not_allowed() -> PermissionDenied:
    return PermissionDenied("NOT_ALLOWED", "nobody may make this call while tokens are on")


def _need(scope: str, caller: Caller, what_for: str = "for this call") -> None:
    if scope and not allows(caller.scopes or (), scope):
        facts = {"scope": scope, "caller": caller.name}
        raise PermissionDenied("SCOPE_MISSING", f"{caller.name} needs the scope {scope} {what_for}", facts)
