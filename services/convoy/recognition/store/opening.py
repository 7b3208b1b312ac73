"""The store that the settings name."""

from collections.abc import Callable
from pathlib import Path

from convoy.core.security.files import Watched, read_file
from convoy.core.settings import Settings
from convoy.recognition.store.redis import RedisStore


def open_store(settings: Settings) -> RedisStore:
    """Galleries in Redis. Raises FailedPrecondition(NO_FILE), InvalidArgument(BAD_ARGUMENT)."""
    return RedisStore(
        settings.redis_url.get_secret_value(),
        _password(settings.redis_password_file) if settings.redis_password_file else None,
        wait_aof=settings.redis_wait_aof,
        wait_replicas=settings.redis_wait_replicas,
    )


def _password(path: Path) -> Callable[[], str]:
    """The password of Redis as its file has it now. Raises FailedPrecondition(NO_FILE)."""
    return Watched([path], lambda: read_file(path).decode().strip()).current
