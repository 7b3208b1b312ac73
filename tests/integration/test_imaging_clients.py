"""Imaging as others call it: by reflection alone, with the Python client, and as a command."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cv2
import grpc
import numpy as np
import onnx
import pytest
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.core import errors
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest, Task, digest
from convoy.testing.pictures import encode
from convoy.testing.tiny_models import HEADER, write_model
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from PIL import Image
from typer.testing import CliRunner

from tests.serving import Running, running

PAINTER = """
painter (uint8[N, H, W, 6] images) => (float[N, H, W, 3] pictures) {
    pixels = Cast <to = 1> (images)
    first = Constant <value_ints = [4]> ()
    end = Constant <value_ints = [6]> ()
    axis = Constant <value_ints = [3]> ()
    weights = Slice (pixels, first, end, axis)
    colours = Constant <value = float[2, 3] {1.0, 0.0, 0.0, 0.0, 0.0, 1.0}> ()
    pictures = MatMul (weights, colours)
}
"""
"""Paints the hole red in the style `warm`, blue in the style `cold`, and in a mixture of both what lies between."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_model(root, "kernels-sharpen", Task.PICTURE_TO_PICTURE)
    folder = write_model(root, "painter", Task.PICTURE_TO_PICTURE)
    onnx.save(onnx.parser.parse_model(HEADER + PAINTER), folder / GRAPH_FILE)
    facts = json.loads((folder / MANIFEST_FILE).read_text())
    facts |= {"sha256": digest(folder / GRAPH_FILE), "labels": ["warm", "cold"]}
    facts |= {"picture": {"colour": "rgb", "inputs": ["mask"]}}
    Manifest.model_validate(facts).save(folder)
    return root


@pytest.fixture
async def imaging(models: Path) -> AsyncIterator[Running]:
    async with running("imaging", models) as service:
        yield service


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ask_by_reflection(port: int, name: str, request: dict[str, Any]) -> dict[str, Any]:
    """What grpcurl does: it knows a name and JSON, and asks the server for the messages."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service, _, call = name.rpartition("/")
        method = pool.FindServiceByName(service).methods_by_name[call]
        message = ParseDict(request, GetMessageClass(method.input_type)())
        answer = GetMessageClass(method.output_type)
        ask = channel.unary_unary(
            f"/{name}", request_serializer=lambda one: one.SerializeToString(), response_deserializer=answer.FromString
        )
        return MessageToDict(ask(message))


async def test_a_client_that_knows_reflection_alone_gets_a_picture(imaging: Running) -> None:
    picture = noise(30, 44)
    request = {"images": [{"encoded": base64.b64encode(encode(picture)).decode()}], "format": "PICTURE_FORMAT_PNG"}
    name = "convoy.v1.ImagingService/Transform"
    answer = await asyncio.to_thread(ask_by_reflection, imaging.server.port, name, request)
    (result,) = answer["results"]
    assert answer["model"]["name"] == "kernels-sharpen" and result["size"] == {"width": 44, "height": 30}
    got = np.asarray(Image.open(io.BytesIO(base64.b64decode(result["picture"]["encoded"]))))
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
    sharp = cv2.filter2D(picture.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT_101).clip(0, 255)
    assert (got == sharp).all()


async def test_masks_and_mixtures_of_styles_reach_the_graph(imaging: Running) -> None:
    picture, mask = noise(40, 50), np.zeros((40, 50), np.uint8)
    mask[10:20, 5:30] = 255

    def ask() -> None:
        with Convoy(imaging=f"127.0.0.1:{imaging.server.port}") as convoy:
            first = convoy.transform(picture, model="painter", mask=mask).image
            assert (first[mask > 0] == [255, 0, 0]).all() and (first[mask == 0] == picture[mask == 0]).all()
            mixed = convoy.transform(picture, model="painter", mask=mask, styles={"warm": 1, "cold": 3}).image
            assert (mixed[mask > 0] == [64, 0, 191]).all()
            for wrong, reason, words in (
                ({"mask": mask[1:]}, "BAD_MASK", "50 x 39 pixels, the picture 50 x 40"),
                ({}, "BAD_MASK", "needs a mask"),
                ({"mask": mask, "styles": {"wild": 1}}, "NO_SUCH_STYLE", "it has warm, cold"),
            ):
                with pytest.raises(errors.InvalidArgument, match=words) as refused:
                    convoy.transform(picture, model="painter", **wrong)  # type: ignore[arg-type]
                assert refused.value.reason == reason

    await asyncio.to_thread(ask)


async def test_the_command_draws_both_and_writes_what_came_out(
    imaging: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOY_IMAGING_ADDRESS", f"127.0.0.1:{imaging.server.port}")
    photo, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    photo.write_bytes(encode(noise(40, 50)))
    hole = np.zeros((40, 50, 3), np.uint8)
    hole[10:20, 5:30] = 255
    mask.write_bytes(encode(hole))
    words = ["transform", str(photo), "--model", "painter", "--mask", str(mask), "--style", "cold", "--encoding", "png"]
    words += ["--out", str(tmp_path / "out.png"), "--draw", str(tmp_path / "both.png")]
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == 0, done.output
    out, both = (np.asarray(Image.open(tmp_path / name)) for name in ("out.png", "both.png"))
    assert (out[10:20, 5:30] == [0, 0, 255]).all() and both.shape == (40, 100, 3) and (both[:, 50:] == out).all()
    again = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert again.exit_code != 0 and "--force" in again.output + again.stderr
    rough = [*words[:2], "--encoding", "jpeg", "--out", str(tmp_path / "rough.png")]
    done = await asyncio.to_thread(CliRunner().invoke, app, rough)
    assert done.exit_code == 0, done.output
    smooth = np.asarray(Image.open(tmp_path / "rough.png"))
    assert smooth.shape == (40, 50, 3)
