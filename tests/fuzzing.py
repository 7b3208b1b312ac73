"""Requests that nobody would send: good ones with fields replaced, left out and out of range, and with bytes broken."""

import asyncio
import io
import struct
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

from convoy.testing import pictures as tiny_pictures
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from PIL import Image

Value = TypeVar("Value")
DEPTH = 4
TYPES = FieldDescriptor
WHOLE = {
    TYPES.TYPE_INT32: (-(2**31), 2**31 - 1),
    TYPES.TYPE_INT64: (-(2**63), 2**63 - 1),
    TYPES.TYPE_UINT32: (0, 2**32 - 1),
    TYPES.TYPE_UINT64: (0, 2**64 - 1),
}
NAMES = [
    "",
    "g",
    "p1",
    "1",
    "cifar10-resnet",
    "face-embedder",
    "../g",
    "1/.",
    "*",
    "g\x00",
    "{g}",
    "images",
    "UINT8",
]


def pictures() -> list[bytes]:
    """Good ones, and the classic bad ones: truncated, of another kind, a bomb, a header alone."""
    png = tiny_pictures.encode(tiny_pictures.portrait(1))
    jpeg = tiny_pictures.encode(tiny_pictures.group([1, 2]), ".jpg")
    webp = tiny_pictures.encode(tiny_pictures.plain(), ".webp")
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    sizes = png[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + png[24:]
    return [png, jpeg, webp, png[:60], jpeg[:-40], webp[:20], sizes, b"GIF89a", b"\xff\xd8\xff", bomb.getvalue(), b""]


PICTURES = pictures()


def messages(kind: Descriptor, seed: Message) -> st.SearchStrategy[Message]:
    """Messages of a type: the seed with some of its fields changed."""

    @st.composite
    def build(draw: st.DrawFn) -> Message:
        made: Message = GetMessageClass(kind)()
        made.CopyFrom(seed)
        _change(draw, made, DEPTH)
        return made

    return build()


@st.composite
def broken(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with some of them changed, or the end cut off."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if damaged:
            damaged[draw(st.integers(0, len(damaged) - 1))] = draw(st.integers(0, 255))
    return bytes(damaged[: draw(st.integers(0, len(damaged)))] if draw(st.booleans()) else damaged)


def _change(draw: st.DrawFn, message: Message, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        fate = draw(st.sampled_from(["keep", "keep", "keep", "replace", "clear"]))
        if fate == "clear":
            message.ClearField(field.name)
        elif fate == "replace":
            message.ClearField(field.name)
            _fill(draw, message, field, depth)
        elif field.message_type is not None and not field.is_repeated and message.HasField(field.name):
            _change(draw, getattr(message, field.name), depth - 1)


def _fill(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, item = field.message_type.fields
        for _ in range(draw(st.integers(0, 3))):
            if item.message_type is None:
                value[draw(_single(key))] = draw(_single(item))
            else:
                _deepen(draw, value[draw(_single(key))], depth)
    elif field.is_repeated:
        for _ in range(draw(st.integers(0, 3))):
            if field.message_type is None:
                value.append(draw(_single(field)))
            else:
                _deepen(draw, value.add(), depth)
    elif field.message_type is not None:
        value.SetInParent()
        _deepen(draw, value, depth)
    else:
        setattr(message, field.name, draw(_single(field)))


def _deepen(draw: st.DrawFn, message: Message, depth: int) -> None:
    if depth > 0:
        for field in message.DESCRIPTOR.fields:
            if draw(st.booleans()):
                _fill(draw, message, field, depth - 1)


def _single(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.name == "min_version":
        return st.sampled_from([0, 1])  # a replica waits for later ones as long as its caller does
    if field.type in WHOLE:
        low, high = WHOLE[field.type]
        return st.sampled_from([low, high, 0, 1, 2, 100]) | st.integers(low, high)
    if field.type == TYPES.TYPE_ENUM:
        return st.sampled_from([*(value.number for value in field.enum_type.values), 99, -1])
    simple: dict[int, st.SearchStrategy[Any]] = {
        TYPES.TYPE_BOOL: st.booleans(),
        TYPES.TYPE_FLOAT: st.floats(width=32) | st.sampled_from([0.0, 0.5, 1.0, -1.0]),
        TYPES.TYPE_DOUBLE: st.floats() | st.sampled_from([0.0, 0.5, 1.0, 5e-324, 1e300]),
        TYPES.TYPE_STRING: st.sampled_from(NAMES) | st.text(max_size=20) | st.just("long" * 5000),
        TYPES.TYPE_BYTES: st.sampled_from(PICTURES) | st.binary(max_size=64) | broken(PICTURES[0]),
    }
    return simple[field.type]


@contextmanager
def in_background(server: AbstractAsyncContextManager[Value]) -> Iterator[Value]:
    """A server on an event loop in a thread of its own, so that ordinary code may call it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
