"""Errors keep all they say when they are copied, when they cross processes, and when they cross the wire."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import grpc
import pytest
from convoy.client.failures import read_failure, read_stream_error
from convoy.core import errors
from convoy.core.serving.status import MOST_HINT_BYTES, MOST_TEXT_BYTES, STATUS_KEY, stream_error, to_status
from google.rpc import error_details_pb2

DETAIL = error_details_pb2.ErrorInfo(reason="INSIDE", metadata={"a": "b"})
ALL: list[errors.ConvoyError] = [
    errors.ConvoyError("R", "a sentence", {"limit": 5}, (DETAIL, "text"), hint="do this"),
    errors.ResourceExhausted("R", "a sentence", 1.5, {"limit": 5}, hint="do this"),
    *(
        kind("R", "a sentence", {"limit": 5}, (DETAIL,), hint="do this")
        for kind in errors.KINDS.values()
        if kind is not errors.ResourceExhausted
    ),
]
WAYS: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(lambda error, p=protocol: pickle.loads(pickle.dumps(error, p)) for protocol in range(6)),
]


class Failed(grpc.RpcError):
    """What gRPC raises in a client for a status that a service sent."""

    def __init__(self, error: errors.ConvoyError) -> None:
        self.status = to_status(error)

    def code(self) -> grpc.StatusCode:
        return next(code for code in grpc.StatusCode if code.value[0] == self.status.code)

    def details(self) -> str:
        return self.status.message

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return ((STATUS_KEY, self.status.SerializeToString()),)


def fail(number: int) -> None:
    raise ALL[number]


def said(error: errors.ConvoyError) -> dict[str, Any]:
    return {"kind": type(error), "args": error.args, "text": str(error)} | vars(error)


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("number", range(len(ALL)))
def test_a_copy_says_all_that_the_error_says(number: int, way: int) -> None:
    twin = WAYS[way](ALL[number])
    assert twin is not ALL[number]
    assert said(twin) == said(ALL[number])


def test_a_process_pool_hands_errors_on() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        raised = [pool.submit(fail, number).exception(timeout=60) for number in range(len(ALL))]
        assert pool.submit(len, "fine").result(timeout=60) == 4
    for error, original in zip(raised, ALL, strict=True):
        assert isinstance(error, errors.ConvoyError)
        assert {key: said(error)[key] for key in said(original)} == said(original)


def test_a_pool_of_multiprocessing_hands_errors_on() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for number, error in enumerate(ALL):
            with pytest.raises(type(error)) as caught:
                pool.apply_async(fail, (number,)).get(timeout=60)
            assert (caught.value.reason, caught.value.hint, caught.value.details) == ("R", "do this", error.details)


def test_every_kind_has_a_status_of_its_own_and_leads_back_to_itself() -> None:
    assert {grpc.StatusCode[code].name: kind for code, kind in errors.KINDS.items()} == errors.KINDS
    assert len(errors.KINDS) == len(errors.ConvoyError.__subclasses__()) == 9


@pytest.mark.parametrize("error", ALL[1:])
def test_a_hint_is_in_the_sentence_and_a_field_of_its_own_for_those_who_know_it(error: errors.ConvoyError) -> None:
    failed = Failed(error)
    assert failed.status.message == "a sentence; do this"  # what clients of before the hint show
    read = read_failure(failed, "classification", "here:1")
    assert type(read) is type(error)
    assert (read.message, read.hint, str(read)) == ("a sentence", "do this", "a sentence; do this")
    assert read.metadata == {"limit": "5"}
    read = read_stream_error(stream_error(error))
    assert (type(read), read.message, read.hint, read.metadata) == (
        type(error),
        "a sentence",
        "do this",
        {"limit": "5"},
    )


def test_an_error_without_a_hint_says_its_message_alone() -> None:
    read = read_failure(Failed(errors.NotFound("R", "a sentence")), "classification", "here:1")
    assert (read.message, read.hint, str(read), read.metadata) == ("a sentence", "", "a sentence", {})


def test_a_long_message_leaves_room_for_its_hint() -> None:
    status = to_status(errors.NotFound("R", "x" * 5000, hint="y" * 5000))
    assert status.message == "x" * MOST_TEXT_BYTES + "; " + "y" * MOST_HINT_BYTES


def test_the_sentence_follows_a_message_that_is_changed() -> None:
    error = errors.NotFound("R", "a sentence", hint="do this")
    error.message = "image 2 of 3: a sentence"
    assert str(error) == "image 2 of 3: a sentence; do this"
