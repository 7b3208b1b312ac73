"""Reads a ModelInferRequest without copying its raw tensors."""

from dataclasses import dataclass
from typing import ClassVar

from google.protobuf.descriptor import Descriptor

from convoy.inference import open_inference_pb2 as pb

_RAW_FIELD = pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_LENGTH_DELIMITED = 2
# A normal request has few fields. protobuf reads a request of a million tiny fields faster than this file does.
_MOST_FIELDS = 64


@dataclass(frozen=True, slots=True)
class InferRequest:
    """message: the request without its raw contents; raw: these, in order, as views of the received bytes.

    Protobuf would copy each tensor twice.
    """

    DESCRIPTOR: ClassVar[Descriptor] = pb.ModelInferRequest.DESCRIPTOR
    message: pb.ModelInferRequest
    raw: list[memoryview]

    @classmethod
    def from_bytes(cls, content: bytes) -> "InferRequest":
        """Read the received bytes. Raises google.protobuf.message.DecodeError."""
        try:
            rest, raw = _split(memoryview(content))
            return cls(pb.ModelInferRequest.FromString(rest), raw)
        except (IndexError, ValueError):
            # Leave everything unusual to protobuf.
            message = pb.ModelInferRequest.FromString(content)
            return cls(message, [memoryview(tensor) for tensor in message.raw_input_contents])


def _split(content: memoryview) -> tuple[bytes, list[memoryview]]:
    """Split the bytes into the message without its raw contents, and the raw contents.

    Raises IndexError or ValueError if the bytes are not a short sequence of length-delimited fields.
    Source: https://protobuf.dev/programming-guides/encoding/
    """
    raw: list[memoryview] = []
    rest: list[memoryview] = []
    start = 0
    for _ in range(_MOST_FIELDS):
        if start == len(content):
            return b"".join(rest), raw
        key, position = _varint(content, start)
        if key & 7 != _LENGTH_DELIMITED:
            raise ValueError("a field that is not length-delimited")
        length, position = _varint(content, position)
        end = position + length
        if end > len(content):
            raise ValueError("a field that goes past the end")
        if key >> 3 == _RAW_FIELD:
            raw.append(content[position:end])
        else:
            rest.append(content[start:end])
        start = end
    raise ValueError("many fields")


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """Read a varint, seven bits in each byte, and return it with the position after it."""
    value = 0
    for shift in range(0, 35, 7):
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number that is too long")
