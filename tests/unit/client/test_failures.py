"""Failures arrive as the errors that the service raised."""

import pickle
import threading
import time

import grpc.aio
import pytest
from convoy.client import AsyncConvoy, Convoy, failures
from convoy.client.awaiting import _failure
from convoy.core import errors
from convoy.testing.pictures import plain
from convoy.v1 import recognition_pb2

KINDS = [
    errors.InvalidArgument,
    errors.NotFound,
    errors.AlreadyExists,
    errors.FailedPrecondition,
    errors.DeadlineExceeded,
    errors.Unauthenticated,
    errors.PermissionDenied,
]


@pytest.mark.parametrize("kind", KINDS)
def test_kind_reason_message_and_facts_survive(convoy, fleet, kind):
    fleet.failures = [kind("SOME_REASON", "a sentence", {"limit": 5})]
    with pytest.raises(kind) as caught:
        convoy.classify(plain())
    assert type(caught.value) is kind
    assert (caught.value.reason, caught.value.message) == ("SOME_REASON", "a sentence")
    assert caught.value.metadata == {"limit": "5"}


@pytest.mark.parametrize("trailing", [(), (("x-request-id", "r-1"),)])
def test_an_error_has_the_id_under_which_the_log_has_the_call(trailing):
    class Failed(grpc.RpcError):
        def code(self):
            return grpc.StatusCode.INTERNAL

        def details(self):
            return "a fault"

        def trailing_metadata(self):
            return trailing

    error = failures.read_failure(Failed(), "faces", "127.0.0.1:1")
    assert error.request_id == ("r-1" if trailing else "")
    assert pickle.loads(pickle.dumps(error)).request_id == error.request_id


def test_a_gallery_that_is_gone_is_told_with_the_alias_that_stands_for_it(convoy, fleet):
    fleet.failures = [errors.NotFound("GALLERY_NOT_FOUND", "there is no gallery named 'staff'", {"gallery": "staff"})]
    with pytest.raises(errors.NotFound, match="'staff', for which the alias 'team' stands"):
        convoy.register("team", "ada", [plain()])
    fleet.failures = [errors.NotFound("GALLERY_NOT_FOUND", "there is no gallery named 'team'", {"gallery": "team"})]
    with pytest.raises(errors.NotFound) as caught:
        list(convoy.list_people("team"))
    assert caught.value.message == "there is no gallery named 'team'"


async def test_asyncio_raises_the_same(addresses, fleet):
    fleet.failures = [errors.NotFound("MODEL_NOT_FOUND", "no such model", {"model": "x"})]
    async with AsyncConvoy(**addresses) as convoy:
        with pytest.raises(errors.NotFound) as caught:
            await convoy.classify(plain())
    assert (caught.value.reason, caught.value.metadata) == ("MODEL_NOT_FOUND", {"model": "x"})


def test_a_full_queue_says_when_to_try_again(convoy, fleet):
    fleet.failures = [errors.ResourceExhausted("QUEUE_FULL", "full", 1.25)]
    with pytest.raises(errors.ResourceExhausted) as caught:
        convoy.classify(plain())
    assert caught.value.retry_delay_s == 1.25
    assert len(fleet.requests) == 1


def test_a_refused_registration_carries_what_was_found(convoy, fleet):
    result = recognition_pb2.PhotoResult(refusal=recognition_pb2.PHOTO_REFUSAL_BLURRED, message="hold still")
    detail = recognition_pb2.RegisterResponse(results=[result])
    fleet.failures = [errors.FailedPrecondition("BLURRED", "no photo was accepted", details=(detail,))]
    with pytest.raises(errors.FailedPrecondition) as caught:
        convoy.register("team", "ada", [plain()])
    (registration,) = caught.value.details
    assert registration.person is None
    assert (registration.results[0].refusal, registration.results[0].message) == ("BLURRED", "hold still")


def test_unavailable_is_tried_again_even_with_a_large_photo(convoy, fleet):
    fleet.failures = [errors.Unavailable("STORE_UNAVAILABLE", "Redis is away")] * 2
    assert convoy.classify(plain(width=1000, height=1000)).best
    assert len(fleet.requests) == 3


def test_unavailable_is_given_up_after_five_tries(convoy, fleet):
    fleet.failures = [errors.Unavailable("STORE_UNAVAILABLE", "Redis is away")] * 9
    with pytest.raises(errors.Unavailable) as caught:
        convoy.classify(plain())
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert len(fleet.requests) == 5


def test_a_call_that_a_stopping_server_cut_off_is_tried_again(convoy, fleet):
    fleet.cut = 2
    assert convoy.classify(plain()).best
    assert len(fleet.requests) == 3


def test_a_server_that_cuts_off_every_call_is_unreachable(convoy, fleet):
    fleet.cut = 9
    with pytest.raises(errors.Unavailable) as caught:
        convoy.classify(plain())
    assert caught.value.reason == "SERVICE_UNREACHABLE"
    assert len(fleet.requests) == 5


def test_nobody_there_is_unavailable_with_the_address():
    with Convoy(classification="127.0.0.1:1", timeout_s=5) as convoy, pytest.raises(errors.Unavailable) as caught:
        convoy.classify(plain())
    assert caught.value.reason == "SERVICE_UNREACHABLE"
    assert caught.value.metadata["address"] == "127.0.0.1:1"
    assert "classification service cannot be reached at 127.0.0.1:1" in caught.value.message


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1"])
def test_nobody_there_is_the_same_error_however_short_the_time(address):
    with Convoy(detection=address, timeout_s=0.2) as convoy, pytest.raises(errors.Unavailable) as caught:
        convoy.detect(plain())
    assert caught.value.reason == "SERVICE_UNREACHABLE"
    assert f"cannot be reached at {address}" in caught.value.message


async def test_no_event_loop_waits_while_somebody_looks_who_listens(monkeypatch):
    threads = []
    monkeypatch.setattr(failures, "is_dead", lambda address: threads.append(threading.current_thread()) or True)
    trailing = grpc.aio.Metadata()
    late = grpc.aio.AioRpcError(grpc.StatusCode.DEADLINE_EXCEEDED, grpc.aio.Metadata(), trailing, "late")
    assert failures.read_failure(late, "faces", "127.0.0.1:1").code == "DEADLINE_EXCEEDED"
    assert threads == []
    assert (await _failure(late, "faces", "127.0.0.1:1")).reason == "SERVICE_UNREACHABLE"
    assert len(threads) == 1 and threads[0] is not threading.main_thread()


@pytest.mark.parametrize("timeout_s", ["x", "5", 0, -1.0, float("inf"), float("nan"), True])
def test_a_time_limit_is_a_number_of_seconds(timeout_s):
    with pytest.raises(errors.InvalidArgument, match="timeout_s is a number of seconds above 0"):
        Convoy(timeout_s=timeout_s)
    with Convoy() as convoy, pytest.raises(errors.InvalidArgument):
        convoy.within(timeout_s)


def test_an_unexpected_failure_is_a_plain_error_with_the_code(convoy, fleet):
    fleet.failures = [ZeroDivisionError()]
    with pytest.raises(errors.ConvoyError) as caught:
        convoy.classify(plain())
    assert type(caught.value) is errors.ConvoyError
    assert caught.value.reason == "INTERNAL"


def test_a_method_that_a_service_lacks(convoy):
    with pytest.raises(errors.ConvoyError) as caught:
        convoy.list_models("classification")
    assert caught.value.reason == "UNIMPLEMENTED"
    assert "is no classification service, or one of another version" in caught.value.message


def test_time_is_limited(convoy, fleet, monkeypatch):
    monkeypatch.setattr(fleet, "hear", lambda request, context: time.sleep(0.5))
    with pytest.raises(errors.DeadlineExceeded):
        convoy.within(0.05).classify(plain())


def test_a_message_that_is_too_large_is_the_callers_to_mend(convoy, fleet):
    with pytest.raises(errors.InvalidArgument) as caught:
        convoy.classify(plain(width=1500, height=1000))
    assert caught.value.reason == "MESSAGE_TOO_LARGE"
    assert not fleet.requests
