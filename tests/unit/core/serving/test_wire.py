"""Messages of millions of tiny fields are refused before protobuf makes objects of them; all others pass."""

import gzip
import zlib
from collections.abc import Iterator

import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.security.demands import DEMANDS
from convoy.core.serving.inflation import inflate, is_compressed
from convoy.core.serving.wire import MOST_ENTRIES, SMALL_BYTES, Bounds, bounds_of, check_fields
from convoy.inference import open_inference_pb2 as oip
from convoy.v1 import classification_pb2, common_pb2, recognition_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzzing import messages

METHODS = sorted(DEMANDS)
ENTRIES = 300_000
LENGTH_DELIMITED = 2


def request_of(method: str) -> Descriptor:
    found = descriptor_pool.Default().FindMethodByName(method[1:].replace("/", "."))
    kind: Descriptor = found.input_type
    return kind


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def tag(number: int) -> bytes:
    return varint(number << 3 | LENGTH_DELIMITED)


def lists(kind: Descriptor) -> Iterator[tuple[FieldDescriptor, bytes]]:
    """Every list in messages of a type, with a message in which it has very many entries."""
    for field in kind.fields:
        if field.is_repeated:
            is_number = field.message_type is None and field.type not in (field.TYPE_STRING, field.TYPE_BYTES)
            content = b"\x01" * 140_000_000 if is_number else b""
            entry = tag(field.number) + varint(len(content)) + content
            yield field, entry if is_number else entry * ENTRIES
        if field.message_type is not None:
            for inner, content in lists(field.message_type):
                yield inner, tag(field.number) + varint(len(content)) + content


@pytest.mark.parametrize("method", METHODS)
def test_no_list_of_any_call_may_grow_without_end(method: str) -> None:
    kind = request_of(method)
    for field, content in lists(kind):
        with pytest.raises(InvalidArgument) as refused:
            check_fields(content, kind, bounds_of(kind, 32))
        assert refused.value.reason == "TOO_MANY_FIELDS", field.full_name


@pytest.mark.parametrize("kind", [health_pb2.HealthCheckRequest.DESCRIPTOR, oip.ServerLiveRequest.DESCRIPTOR])
def test_fields_that_nobody_knows_count_too(kind: Descriptor) -> None:
    with pytest.raises(InvalidArgument, match="5,000 fields"):
        check_fields(b"\xa8\x06\x00" * ENTRIES, kind, Bounds())


def test_the_number_of_pictures_that_a_call_may_have_moves_the_limits() -> None:
    kind = classification_pb2.ClassifyRequest.DESCRIPTOR
    images = [common_pb2.Image(encoded=b"x" * 9)] * (2 * MOST_ENTRIES)
    content = classification_pb2.ClassifyRequest(images=images).SerializeToString()
    assert check_fields(content, kind, bounds_of(kind, 2 * MOST_ENTRIES)) == 4 * MOST_ENTRIES
    with pytest.raises(InvalidArgument, match="entries of images"):
        check_fields(content, kind, bounds_of(kind, 32))


def test_a_part_of_an_import_may_hold_a_thousand_people() -> None:
    faces = [recognition_pb2.FaceRecord(face_id=f"face-{n}", quality=0.5) for n in range(10)]
    person = recognition_pb2.Person(person_id="p", metadata={"a": "b"}, tags=["t"], faces=faces)
    one = recognition_pb2.ExportedPerson(person=person, embeddings=[bytes(1024)] * 10)
    content = recognition_pb2.ImportGalleryRequest(people=[one] * 1000).SerializeToString()
    kind = recognition_pb2.ImportGalleryRequest.DESCRIPTOR
    assert check_fields(content, kind, bounds_of(kind, 32)) > 40_000


@pytest.mark.parametrize("broken", [b"\x0f", b"\x00\x00", b"\x0a\xff\xff\xff\xff\x7f", b"\x0a\x80", b"\x0d\x00"])
def test_what_is_no_message_is_refused(broken: bytes) -> None:
    content = b"\x12\x01g" * SMALL_BYTES + broken
    with pytest.raises(InvalidArgument) as refused:
        check_fields(content, health_pb2.HealthCheckRequest.DESCRIPTOR, Bounds(fields=10**6))
    assert refused.value.reason == "BAD_MESSAGE"


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_whatever_protobuf_writes_passes(method: str, data: st.DataObject) -> None:
    kind = request_of(method)
    message = data.draw(messages(kind, GetMessageClass(kind)()))
    message.MergeFromString(tag(1000) + varint(SMALL_BYTES) + bytes(SMALL_BYTES))  # large enough to be looked at
    assert check_fields(message.SerializeToString(), kind, bounds_of(kind, 32)) >= 1


class TestInflation:
    def test_what_is_compressed_comes_out_as_it_was(self) -> None:
        for compress in (gzip.compress, zlib.compress):
            assert is_compressed(compress(b"message" * 100))
            assert inflate(compress(b"message" * 100), 700) == b"message" * 100

    def test_what_is_not_compressed_stays(self) -> None:
        assert inflate(b"\x78\x01rest", 100) == b"\x78\x01rest"  # a message whose field 15 is 1
        assert inflate(b"\x0a\x00", 100) == b"\x0a\x00"
        assert inflate(b"", 100) == b""

    def test_it_ends_at_the_limit(self) -> None:
        bomb = gzip.compress(bytes(50_000_000), 1)
        with pytest.raises(InvalidArgument) as refused:
            inflate(bomb, 1_000_000)
        assert refused.value.reason == "MESSAGE_TOO_LARGE"
