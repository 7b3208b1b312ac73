"""Recorded calls made again: a client of the recorded version against services of any."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import grpc
from google.rpc import error_details_pb2, status_pb2

from tests.compatibility.calls import Call, Transcript, make
from tests.compatibility.differences import Comparison, FaceIds
from tests.compatibility.protos import Protos

MAKE_FACES = {f"/convoy.v1.RecognitionService/{name}" for name in ("Register", "RegisterMany", "MergePeople")}


def replay(transcript: Transcript, protos: Protos, addresses: Mapping[str, str]) -> Iterator[str]:
    """Make every call again in order; a line for each difference."""
    ids, began_ms = FaceIds(), (transcript.began_ms, time.time_ns() // 1_000_000)
    with ExitStack() as stack:
        channels = {name: stack.enter_context(grpc.insecure_channel(each)) for name, each in addresses.items()}
        for number, call in enumerate(transcript.calls):
            requests = [_translated(protos, call.method, content, ids) for content in call.requests]
            now = make(channels[call.service], call.service, call.method, requests)
            comparison = Comparison(ids, began_ms, call.aside, call.method in MAKE_FACES)
            for difference in _differences(protos, comparison, ids, call, now):
                yield f"call {number} {call.method}: {difference}"


def _translated(protos: Protos, method: str, content: bytes, ids: FaceIds) -> bytes:
    request = protos.request(method)()
    request.ParseFromString(content)
    ids.translate(request)
    return request.SerializeToString()


def _differences(protos: Protos, comparison: Comparison, ids: FaceIds, recorded: Call, now: Call) -> Iterator[str]:
    if recorded.code != now.code:
        said = status_pb2.Status.FromString(now.status).message
        yield f"{recorded.code}, now {now.code} {said}"
    elif len(recorded.answers) != len(now.answers):
        yield f"{len(recorded.answers)} answers, now {len(now.answers)}"
    kind = protos.answer(recorded.method)
    for i, (before, after) in enumerate(zip(recorded.answers, now.answers, strict=False)):
        yield from comparison.differences(kind.FromString(before), kind.FromString(after), f"answer {i}")
    if recorded.code == now.code and recorded.status:
        yield from _refusals(protos, comparison, ids, recorded.status, now.status)


def _refusals(protos: Protos, comparison: Comparison, ids: FaceIds, recorded: bytes, now: bytes) -> Iterator[str]:
    """Reason, facts and what else came with the status; not the sentence."""
    before, after = (status_pb2.Status.FromString(one) for one in (recorded, now))
    details = {detail.type_url: detail for detail in after.details}
    for detail in before.details:
        if detail.type_url not in details:
            yield f"the refusal lacks its {detail.type_url}"
        elif detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            yield from _infos(ids, detail.value, details[detail.type_url].value)
        elif detail.TypeName().startswith("convoy."):
            kind = protos.message(detail.TypeName())
            values = kind.FromString(detail.value), kind.FromString(details[detail.type_url].value)
            yield from comparison.differences(*values, detail.TypeName())


def _infos(ids: FaceIds, recorded: bytes, now: bytes) -> Iterator[str]:
    before, after = (error_details_pb2.ErrorInfo.FromString(one) for one in (recorded, now))
    if (before.reason, before.domain) != (after.reason, after.domain):
        yield f"reason {before.reason} of {before.domain}, now {after.reason} of {after.domain}"
    for key, value in before.metadata.items():
        if after.metadata.get(key) != (ids.now(value) if key == "face_id" else value):
            yield f"the refusal's {key}: {value!r}, now {after.metadata.get(key)!r}"
