"""A service as a process: starts by its variables alone, drains on SIGTERM, refuses to start with one sentence."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import grpc
import pytest
from convoy.core.manifest import Task
from convoy.testing import pictures
from convoy.testing.tiny_models import write_model, write_repository
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2

PICTURE = common_pb2.Image(encoded=pictures.encode(pictures.plain((220, 20, 20), 1200, 900)))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return write_repository(tmp_path)


@contextmanager
def process(name: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """`convoy serve NAME` with CONVOY_* variables; killed at the end if it still runs."""
    environment = os.environ | {"CONVOY_PORT": "0", "CONVOY_METRICS_PORT": "0", "CONVOY_LOG": "json"} | variables
    command = [sys.executable, "-c", f"from convoy.service_process import run; run({name!r})"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def serving_port(child: subprocess.Popen[str]) -> int:
    assert child.stderr is not None
    for line in child.stderr:
        if found := re.search(r'"port": (\d+).*"event": "serving"', line):
            return int(found[1])
    raise AssertionError("the process ended before it served")


def test_sigterm_finishes_what_is_in_flight(models: Path) -> None:
    with process("classification", CONVOY_MODELS=str(models)) as child:
        with grpc.insecure_channel(f"127.0.0.1:{serving_port(child)}") as channel:
            stub = classification_pb2_grpc.ClassificationServiceStub(channel)
            request = classification_pb2.ClassifyRequest(images=[PICTURE] * 4)
            stub.Classify(request, timeout=60)
            with ThreadPoolExecutor(8) as callers:
                calls = [callers.submit(stub.Classify, request, timeout=60) for _ in range(8)]
                while not any(call.done() for call in calls):
                    pass
                child.send_signal(signal.SIGTERM)
                answers = [call.exception(60) for call in calls]
        assert child.wait(30) == 0
    # Each call was either answered whole or never let in; none was broken off.
    for error in answers:
        assert error is None or (isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE)
    assert any(error is None for error in answers)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CONVOY_MODELS": "/nowhere"}, "no model repository"),
        ({"CONVOY_CLASSIFICATION_MODEL": "nobody"}, "no model named 'nobody'"),
        ({"CONVOY_MODEL": "nobody"}, "no model named 'nobody'"),
        ({"CONVOY_DEVICE": "tensorrt"}, "this onnxruntime has no TensorrtExecutionProvider"),
        ({"CONVOY_PORT": "1x"}, "CONVOY_PORT"),
        ({"CONVOY_THREADS": "100000"}, "CONVOY_THREADS"),
    ],
    ids=["no-repository", "no-model", "no-model-by-the-old-name", "no-device", "bad-variable", "too-many-threads"],
)
def test_what_cannot_start_says_why_in_a_sentence(models: Path, variables: dict[str, str], words: str) -> None:
    with process("classification", **({"CONVOY_MODELS": str(models)} | variables)) as child:
        _, text = child.communicate(timeout=60)
    assert child.returncode == 1
    assert words in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("service", "setting", "there"),
    [
        ("classification", "CONVOY_CLASSIFICATION_MODEL", "cifar10-resnet"),
        ("faces", "CONVOY_FACE_DETECTOR", "face-detector-nano"),
        ("faces", "CONVOY_FACE_EMBEDDER", "face-embedder"),
    ],
)
def test_a_model_that_is_not_there_is_answered_with_those_that_are(
    models: Path, service: str, setting: str, there: str
) -> None:
    with process(service, CONVOY_MODELS=str(models), **{setting: "nobody"}) as child:
        _, text = child.communicate(timeout=60)
    assert re.search(rf"this service can use: [^;]*\b{there}\b.*; choose one by {setting}=NAME", text)


def test_a_store_that_cannot_be_meant_says_so_in_a_sentence() -> None:
    with process("recognition", CONVOY_REDIS_URL="foo://:secret@x") as child:
        _, text = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "cannot start" in text and "CONVOY_REDIS_URL" in text
    assert "Traceback" not in text and "secret" not in text


@pytest.mark.parametrize("setting", ["CONVOY_PORT", "CONVOY_METRICS_PORT"])
def test_a_port_in_use_is_named_before_a_model_is_loaded(models: Path, setting: str) -> None:
    (models / "cifar10-resnet" / "1" / "model.onnx").write_bytes(b"cannot be loaded")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process("classification", CONVOY_MODELS=str(models), **{setting: str(port)}) as child:
            _, text = child.communicate(timeout=60)
    assert child.returncode == 1 and "PORT_IN_USE" in text
    assert f"cannot listen on 127.0.0.1:{port}" in text and f"set {setting} to another" in text
    assert "model.onnx" not in text and "Traceback" not in text


def test_no_torch_and_no_pictures_in_the_log(models: Path) -> None:
    with process("classification", CONVOY_MODELS=str(models)) as child:
        with grpc.insecure_channel(f"127.0.0.1:{serving_port(child)}") as channel:
            stub = classification_pb2_grpc.ClassificationServiceStub(channel)
            stub.Classify(classification_pb2.ClassifyRequest(images=[PICTURE]), timeout=20)
        child.send_signal(signal.SIGTERM)
        assert child.stderr is not None
        text = child.stderr.read()
    assert '"method": "Classify"' in text and "PNG" not in text


def test_the_old_name_of_a_variable_works_and_the_new_one_is_told(models: Path) -> None:
    write_model(models, "other", Task.CLASSIFICATION)
    with process("classification", CONVOY_MODELS=str(models), CONVOY_MODEL="other") as child:
        assert child.stderr is not None
        lines = [json.loads(line) for line in takewhile(lambda line: '"event": "serving"' not in line, child.stderr)]
    assert [line["model"] for line in lines if line["event"] == "model loaded"] == ["other"]
    told = {line["variable"]: line["use"] for line in lines if line["event"] == "this variable has a new name"}
    assert told == {"CONVOY_MODEL": "CONVOY_CLASSIFICATION_MODEL"}


def test_a_misspelt_variable_is_pointed_out(models: Path) -> None:
    with process(
        "classification", CONVOY_MODELS=str(models), CONVOY_QEUE_SIZE="9", CONVOY_FACES_ADDRESS="b:1"
    ) as child:
        assert child.stderr is not None
        lines = map(json.loads, takewhile(lambda line: '"event": "serving"' not in line, child.stderr))
        told = {line["variable"]: line["did_you_mean"] for line in lines if line["event"] == "unknown variable"}
    assert told == {"CONVOY_QEUE_SIZE": "CONVOY_QUEUE_SIZE"}
