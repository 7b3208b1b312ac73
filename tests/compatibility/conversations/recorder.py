"""Makes calls and keeps them. Requests are built with the stubs of the version that is recorded."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Self

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from tests.compatibility.calls import Call, Transcript, make


class Recorder:
    """addresses: of each service that is asked."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._began_ms = time.time_ns() // 1_000_000
        self._calls: list[Call] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._channels = {
            name: self._stack.enter_context(grpc.insecure_channel(address)) for name, address in self._addresses.items()
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, service: str, method: str, *requests: Message, aside: tuple[str, ...] = (), code: str = "OK") -> Any:
        """Send messages and give the last answer. code: what must come of it, so that no slip is recorded."""
        call = make(self._channels[service], service, method, [r.SerializeToString() for r in requests], aside)
        assert call.code == code, f"{method} gave {call.code}: {call.status!r}"
        self._calls.append(call)
        owner, _, name = method[1:].partition("/")
        found = descriptor_pool.Default().FindServiceByName(owner).methods_by_name[name]
        kind = message_factory.GetMessageClass(found.output_type)
        return kind.FromString(call.answers[-1]) if call.answers else None

    def transcript(self) -> Transcript:
        """All calls so far."""
        return Transcript(self._began_ms, tuple(self._calls))
