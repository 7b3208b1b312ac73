"""Signals through a real service: what the tiny model answers can be worked out, and what it cannot take is refused."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.testing.fleet import RunningFleet, fleet
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2 as pb
from convoy.v1.classification_pb2_grpc import ClassificationServiceStub
from typer.testing import CliRunner

from tests.serving import refusal, running

MODEL = pb.ClassifySignalRequest(top_k=1).model
MODEL.name = "heartbeats"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningFleet]:
    """A whole fleet in this process."""
    with fleet() as running_fleet:
        yield running_fleet


@pytest.fixture
def convoy(served: RunningFleet) -> Convoy:
    return served.convoy.within(300.0)


async def test_signals_are_answered_in_order_and_bad_ones_refused(tmp_path: Path) -> None:
    async with running("classification", write_repository(tmp_path), max_images_per_call=3) as service:
        stub = ClassificationServiceStub(service.channel)
        high, low = (pb.Signal(samples=[level] * 20, rate_hz=10) for level in (0.5, -0.5))
        asked = pb.ClassifySignalRequest(signals=[high, low], model=MODEL)
        answer = await stub.ClassifySignal(asked)
        best = math.exp(0.5) / (math.exp(0.5) + math.exp(-0.5))
        assert [one.labels[0].name for one in answer.results] == ["high", "low"]
        assert all(one.labels[0].probability == pytest.approx(best) for one in answer.results)
        assert (answer.model.name, answer.model.version) == ("heartbeats", "1")

        fast = pb.Signal(samples=[0.5] * 80, rate_hz=40)
        told = await refusal(stub.ClassifySignal, pb.ClassifySignalRequest(signals=[high, fast], model=MODEL))
        assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "WRONG_RATE")
        assert told.message.startswith("signal 2 of 2: ") and told.metadata["wanted_hz"] == "10"
        converted = await stub.ClassifySignal(
            pb.ClassifySignalRequest(signals=[fast], model=MODEL, top_k=1, resample=True)
        )
        assert converted.results[0].resampled and len(converted.results[0].labels) == 1
        assert converted.results[0].labels[0].probability == pytest.approx(best, abs=1e-3)
        long = pb.Signal(samples=[0.5] * 1280, rate_hz=640)  # More than the thousand entries of other lists.
        answer = await stub.ClassifySignal(pb.ClassifySignalRequest(signals=[long], model=MODEL, resample=True))
        assert answer.results[0].labels[0].name == "high"

        bad = {
            "BAD_SIGNAL": [
                pb.Signal(samples=[float("nan")] * 20, rate_hz=10),
                pb.Signal(samples=[0.0] * 19, rate_hz=10),
                pb.Signal(samples=[0.0] * 20, rate_hz=10, channels=2),
                pb.Signal(samples=[0.0] * 21, rate_hz=10, channels=2),
                pb.Signal(samples=[0.0] * 20),
                pb.Signal(samples=[0.0] * 20, rate_hz=-1),
                pb.Signal(),
            ],
        }
        for reason, signals in bad.items():
            for one in signals:
                told = await refusal(stub.ClassifySignal, pb.ClassifySignalRequest(signals=[one], model=MODEL))
                assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason), one
        for signals in ([], [high] * 4):
            told = await refusal(stub.ClassifySignal, pb.ClassifySignalRequest(signals=signals, model=MODEL))
            assert told.reason == "BAD_ARGUMENT" and "signals; send 1 to 3" in told.message
        told = await refusal(stub.ClassifySignal, pb.ClassifySignalRequest(signals=[high]))
        assert told.reason == "WRONG_TASK" and "does classification, not signal_classification" in told.message
        picture = pb.ClassifyRequest(model=MODEL)
        picture.images.add().raw.width = 1
        assert (await refusal(stub.Classify, picture)).reason == "WRONG_TASK"


def test_client_and_command(convoy: Convoy, served: RunningFleet, tmp_path: Path) -> None:
    rising = np.linspace(-1, 2, 20)
    answer = convoy.classify_signal(rising, rate_hz=10, model="heartbeats")
    assert answer.best is not None and answer.best.label == "high" and not answer.resampled
    both = convoy.classify_signals([rising, -rising], rate_hz=10, model="heartbeats", top_k=1)
    assert [one.labels[0].label for one in both] == ["high", "low"]
    with pytest.raises(InvalidArgument, match="20 Hz"):
        convoy.classify_signal(np.repeat(rising, 2), rate_hz=20, model="heartbeats")
    assert convoy.classify_signal(np.repeat(rising, 2), rate_hz=20, model="heartbeats", resample=True).resampled
    with pytest.raises(FailedPrecondition):
        convoy.classify_signal(rising, rate_hz=10)

    files = [tmp_path / "high.csv", tmp_path / "low.npy", tmp_path / "bad.csv"]
    files[0].write_text("mV\n" + "\n".join(map(str, rising)))
    np.save(files[1], -rising)
    files[2].write_text("nan\n" * 20)
    asked = ["classify-signal", *map(str, files), "--model", "heartbeats", "--rate", "10", "--json"]
    done = CliRunner().invoke(app, asked, env={"CONVOY_CLASSIFICATION_ADDRESS": served.addresses["classification"]})
    assert done.exit_code == 2
    answers = json.loads(done.stdout)
    assert [one["answer"]["labels"][0]["label"] for one in answers[:2]] == ["high", "low"]
    assert answers[2]["error"]["reason"] == "BAD_SIGNAL"
