"""Connects to Redis, and turns every way in which it can be away into one error."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from redis import exceptions
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.credentials import CredentialProvider

from convoy.core.errors import InvalidArgument, ResourceExhausted, Unavailable

T = TypeVar("T")
ANSWERS_IN_S = 5.0
# A timer that fires so late, or so many questions at once, say that this process is overloaded, not that Redis is away.
LATE_S, CROWD = 1.0, 64
AWAY_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ClusterError,
    exceptions.RedisClusterException,
    exceptions.ReadOnlyError,
    OSError,
)
# How Redis begins an error when it answers but cannot serve for now; redis-py says first of which command.
AWAY = re.compile(r"(?:^|caused error: \W*)(?:MISCONF|NOREPLICAS)\b")


class _Login(CredentialProvider):
    """The login of a new connection. It asks for the password each time, since that may have changed."""

    def __init__(self, user: str, password: Callable[[], str]) -> None:
        self._user = user
        self._password = password

    def get_credentials(self) -> tuple[str, str]:
        return self._user, self._password()

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()


def connect(url: str, password: Callable[[], str] | None) -> "Redis | RedisCluster":
    """A client for redis://, rediss:// (TLS), unix://, redis+cluster://, rediss+cluster:// and redis+sentinel:// URLs.

    Sentinels are written redis+sentinel://host:port,host:port/database/name-of-the-master.
    Raises InvalidArgument(BAD_ARGUMENT) for any other URL.
    """
    try:
        return _connect(url, password)
    except (ValueError, exceptions.RedisClusterException):
        # The message shows neither the URL nor what is wrong with it: either may contain the password.
        schemes = "redis, rediss, unix, redis+cluster, rediss+cluster or redis+sentinel"
        message = f"CONVOY_REDIS_URL must be a URL of scheme {schemes}; docs/recognition.md shows how to write it"
        raise InvalidArgument("BAD_ARGUMENT", message) from None


def _connect(url: str, password: Callable[[], str] | None) -> "Redis | RedisCluster":
    # No socket_timeout: redis-py makes a task for each write to bound it, which takes a fifth of a command's time.
    options: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": 2.0}
    # Each follower holds a connection, and redis-py by itself allows a hundred.
    options["max_connections"] = 1 << 16
    # Try again only when the connection broke. A store that is silent for seconds is away, and callers are told so.
    broken = (exceptions.ConnectionError,)
    options["retry"] = Retry(ExponentialBackoff(cap=0.1, base=0.01), retries=2, supported_errors=broken)
    user = urlsplit(url)
    if password and not user.password:
        options["credential_provider"] = _Login(unquote(user.username or "default"), password)
        url = url.replace(f"{user.username}@", "", 1) if user.username else url
    scheme, _, rest = url.partition("://")
    if scheme in ("redis+cluster", "rediss+cluster"):
        return RedisCluster.from_url(f"{scheme.removesuffix('+cluster')}://{rest}", **options)
    if scheme == "redis+sentinel":
        hosts, database, name = rest.split("/")
        pairs = [host.rsplit(":", 1) for host in hosts.rpartition("@")[2].split(",")]
        ask: Any = Sentinel
        master: Redis = ask([(host, int(port)) for host, port in pairs], socket_timeout=2.0).master_for(
            name, db=int(database), **options
        )
        return master
    return Redis.from_url(url, **options)


def may_fail_over(url: str) -> bool:
    """Whether another server may take over from the one that acknowledged a write: sentinels or a cluster see to it."""
    return urlsplit(url).scheme in ("redis+sentinel", "redis+cluster", "rediss+cluster")


class _Asking:
    """How much this process asks of Redis at once."""

    count = 0


async def answered(asked: Awaitable[T]) -> T:
    """Redis's answer. Raises Unavailable(STORE_UNAVAILABLE) if Redis is away, or silent for ANSWERS_IN_S.

    Raises ResourceExhausted(QUEUE_FULL) if it is this process that is late, or asks too much at once.
    """
    began_at, crowd = time.monotonic(), _Asking.count
    _Asking.count += 1
    try:
        async with asyncio.timeout(ANSWERS_IN_S):
            return await asked
    except TimeoutError as error:
        late_s = time.monotonic() - began_at - ANSWERS_IN_S
        if late_s > LATE_S or crowd >= CROWD:
            message = f"this replica has more work than it can do ({crowd} questions to the store at once)"
            raise ResourceExhausted("QUEUE_FULL", message, random.uniform(1.0, 3.0), {"waiting": crowd}) from error
        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) cannot be reached; try again") from error
    except AWAY_ERRORS as error:
        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) cannot be reached; try again") from error
    except exceptions.OutOfMemoryError as error:
        raise Unavailable(
            "STORE_UNAVAILABLE", "the store (Redis) has no memory left; give it more or delete people"
        ) from error
    except exceptions.ResponseError as error:
        if not AWAY.search(str(error)):
            raise
        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) cannot serve for now; try again") from error
    finally:
        _Asking.count -= 1
