"""Waits for a Redis that somebody else runs, and says so while it does."""

import asyncio
import os
from collections.abc import Callable

from convoy.core.errors import Unavailable
from convoy.core.security.files import read_file
from convoy.core.settings import read_settings
from convoy.recognition.store.redis import RedisStore

QUIET_S = 0.5
TIMEOUT_S = 30.0
RETRY_S = 0.25


def wait_for_redis(url: str, tell: Callable[[str], None]) -> None:
    """Return once the Redis at `url` answers; `tell` hears of it if that takes more than a moment.

    Raises Unavailable(STORE_UNAVAILABLE) when it has not answered within TIMEOUT_S, InvalidArgument(BAD_ARGUMENT) for a
    URL that cannot be meant, FailedPrecondition(NO_FILE) for CONVOY_REDIS_PASSWORD_FILE.
    """
    asyncio.run(_wait(url, tell))


async def _wait(url: str, tell: Callable[[str], None]) -> None:
    path = read_settings().redis_password_file
    store = RedisStore(url, (lambda: read_file(path).decode().strip()) if path else None)
    problems: list[str] = []
    answer = asyncio.create_task(_ask_until_it_answers(store, problems))
    try:
        await asyncio.wait([answer], timeout=QUIET_S)
        if not answer.done():
            tell(f"waiting up to {TIMEOUT_S:.0f} s for Redis at {without_password(url)}{_because(problems)}")
        async with asyncio.timeout(TIMEOUT_S - QUIET_S):
            await answer
    except TimeoutError:
        message = f"Redis at {without_password(url)} did not answer within {TIMEOUT_S:.0f} s{_because(problems)}"
        raise Unavailable("STORE_UNAVAILABLE", f"{message}; start it, or correct --redis-url") from None
    finally:
        await store.close()


async def _ask_until_it_answers(store: RedisStore, problems: list[str]) -> None:
    while True:
        try:
            return await store.ping()
        except Unavailable as error:
            problems.append(_root_of(error))
        await asyncio.sleep(RETRY_S)


def _root_of(error: BaseException) -> str:
    """What the operating system said, or else what the first error of the chain says."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or "no answer"


def _because(problems: list[str]) -> str:
    return f" ({problems[-1].rstrip('.')})" if problems else ""


def without_password(url: str) -> str:
    """A Redis URL as it may be shown: no user, no password, no options."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0]}"
