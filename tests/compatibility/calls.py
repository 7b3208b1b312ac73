"""Calls as they go over the wire: bytes out, bytes or a status back, kept as one line of JSON each."""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

TIMEOUT_S = 60
METADATA = (("x-request-id", "compatibility"),)
STATUS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True)
class Call:
    """One call and what came of it.

    service: whose address it went to; method: for example /convoy.v1.FaceService/DetectFaces. status: google.rpc.Status
    of a refusal, empty otherwise. aside: fields of the answers whose values are made anew each time.
    """

    service: str
    method: str
    requests: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    code: str
    status: bytes
    aside: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line."""
        facts = {
            "service": self.service,
            "method": self.method,
            "code": self.code,
            "aside": self.aside,
            "status": _text(self.status),
            "requests": list(map(_text, self.requests)),
            "answers": list(map(_text, self.answers)),
        }
        return json.dumps(facts)

    @classmethod
    def from_json(cls, line: str) -> "Call":
        """The inverse of to_json."""
        kept: dict[str, Any] = json.loads(line)
        requests, answers = (tuple(map(base64.b64decode, kept[key])) for key in ("requests", "answers"))
        status = base64.b64decode(kept["status"])
        return cls(kept["service"], kept["method"], requests, answers, kept["code"], status, tuple(kept["aside"]))


@dataclass(frozen=True)
class Transcript:
    """began_ms: when the first call was made, in ms since 1970: earlier times in answers were on record before."""

    began_ms: int
    calls: tuple[Call, ...]

    def save(self, file: Path) -> None:
        """Write the moment, then a line a call."""
        lines = [json.dumps({"began_ms": self.began_ms}), *(call.to_json() for call in self.calls)]
        file.write_text("".join(f"{line}\n" for line in lines))

    @classmethod
    def load(cls, file: Path) -> "Transcript":
        """The inverse of save."""
        first, *lines = file.read_text().splitlines()
        return cls(json.loads(first)["began_ms"], tuple(map(Call.from_json, lines)))


def make(
    channel: grpc.Channel, service: str, method: str, requests: Sequence[bytes], aside: Iterable[str] = ()
) -> Call:
    """Send the bytes and keep the bytes. On the wire a call of one message is a stream of one."""
    answers: list[bytes] = []
    code, status = grpc.StatusCode.OK, b""
    try:
        for answer in channel.stream_stream(method)(iter(requests), timeout=TIMEOUT_S, metadata=METADATA):
            answers.append(answer)
    except grpc.RpcError as error:
        code, status = error.code(), dict(error.trailing_metadata() or ()).get(STATUS_KEY, b"")
    return Call(service, method, tuple(requests), tuple(answers), code.name, status, tuple(aside))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
