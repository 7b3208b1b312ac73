"""URLs of stores, and stores that do not answer."""

import asyncio
import contextlib

import pytest
from convoy.core.errors import InvalidArgument, Unavailable
from convoy.recognition.store import connection
from convoy.recognition.store.connection import connect
from convoy.recognition.store.redis import RedisStore


@pytest.mark.parametrize(
    "url",
    [
        "",
        "foo://secret@x",
        "redis://:secret@x:port/0",
        "redis://[secret",
        "redis+sentinel://secret",
        "redis+sentinel://secret/0/people",
        "redis+sentinel://secret:26379/zero/people",
        "redis+cluster://:secret@x:port",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidArgument, match="CONVOY_REDIS_URL") as refused:
        connect(url, None)
    assert "secret" not in refused.value.message


async def test_a_silent_store_is_away_and_its_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWERS_IN_S", 0.3)
    is_silent = True
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while words := await reader.read(65_536):
                if not is_silent:
                    # A late answer on the first connection would be taken for that of the next command.
                    writer.write(b"+PONG\r\n" * words.count(b"PING") or b"+OK\r\n" * words.count(b"*"))
        writer.close()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    store = RedisStore(f"redis://{host}:{port}/?protocol=2")
    with pytest.raises(Unavailable, match="cannot be reached"):
        await store.ping()
    await asyncio.wait_for(closed.wait(), 10)
    is_silent = False
    await store.ping()
    await store.close()
    server.close()
