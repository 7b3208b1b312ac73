"""Volumes through a real service: the tiny model's answer can be worked out for every slice."""

import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from convoy.cli.app import app
from convoy.client import AsyncConvoy, Convoy
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.testing.fleet import RunningFleet, fleet
from convoy.testing.pictures import encode
from convoy.testing.tiny_models import write_repository
from convoy.v1 import segmentation_pb2 as pb
from convoy.v1.segmentation_pb2_grpc import SegmentationServiceStub
from PIL import Image
from typer.testing import CliRunner

from tests.serving import read_refusal, running

MODEL = "membranes-3d"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningFleet]:
    """A whole fleet in this process."""
    with fleet() as running_fleet:
        yield running_fleet


@pytest.fixture
def convoy(served: RunningFleet) -> Convoy:
    return served.convoy.within(300.0)


def drawn(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Grey slices [count, height, width], one shade each in four fields."""
    shades = np.random.default_rng(count).integers(0, 256, (count, 2, 2), np.uint8)
    return shades.repeat(height // 2, axis=1).repeat(width // 2, axis=2)


def expected(volume: np.ndarray) -> np.ndarray:
    """Whether the mean of a slice and its neighbours is above 127: of two at the ends, of three inside."""
    around = [volume[max(0, place - 1) : place + 2] for place in range(len(volume))]
    return np.stack([slices.mean(axis=0) > 127 for slices in around]).astype(np.uint8)


def coloured(volume: np.ndarray) -> list[np.ndarray]:
    return [np.repeat(one[..., None], 3, axis=2) for one in volume]


@pytest.mark.parametrize("count", [4, 5, 11])
def test_every_slice_is_answered_in_order(convoy: Convoy, count: int) -> None:
    volume = drawn(count)
    asked = (one for one in coloured(volume))  # an iterator, whose length nobody knows
    answers = list(convoy.segment_volume(asked, model=MODEL))
    assert (np.stack([one.mask for one in answers]) == expected(volume)).all()
    assert {one.labels for one in answers} == {("dark", "bright")} and str(answers[0].model) == f"{MODEL}:1"
    shares = {region.label: region.area for region in answers[0].regions}
    assert shares.get("bright", 0.0) == pytest.approx(expected(volume)[0].mean())


async def test_asyncio_too(served: RunningFleet) -> None:
    volume = drawn(6)
    async with AsyncConvoy(**served.addresses) as convoy:
        answers = [one async for one in convoy.segment_volume(coloured(volume), model=MODEL)]
    assert (np.stack([one.mask for one in answers]) == expected(volume)).all()


def test_what_is_no_volume_is_refused(convoy: Convoy) -> None:
    slices = coloured(drawn(6))

    def refused(pictures: list[np.ndarray], **options: str) -> str:
        with pytest.raises((InvalidArgument, FailedPrecondition)) as told:
            list(convoy.segment_volume(iter(pictures), **{"model": MODEL, **options}))
        return f"{told.value.reason}: {told.value.message}"

    assert "slice 4 has 32 x 48 pixels, the first 64 x 48" in refused([*slices[:3], slices[3][:, :32], *slices[4:]])
    assert "BAD_VOLUME: the volume has one slice" in refused(slices[:1])
    assert "BAD_VOLUME" in refused([])
    assert "WRONG_TASK" in refused(slices, model="camvid-unet")

    def failing() -> Iterator[np.ndarray]:
        yield slices[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(convoy.segment_volume(failing(), model=MODEL))


async def test_too_many_slices_are_refused_before_work(tmp_path: Path) -> None:
    async with running("segmentation", write_repository(tmp_path), max_volume_slices=5) as service:
        stub = SegmentationServiceStub(service.channel)
        sent = []

        async def ask(count: int, told: int, bad: int = -1) -> AsyncIterator[pb.SegmentVolumeRequest]:
            for number in range(count):
                sent.append(number)
                first = {"model": {"name": MODEL}, "slices": told} if number == 0 else {}
                encoded = b"broken" if number == bad else encode(coloured(drawn(5))[0])
                yield pb.SegmentVolumeRequest(slice={"encoded": encoded}, **first)

        async def told(*words: int) -> tuple[str, str]:
            try:
                answers = [one async for one in stub.SegmentVolume(ask(*words))]
            except grpc.aio.AioRpcError as error:
                refusal = read_refusal(error)
                return refusal.reason, refusal.message
            return "", str(len(answers))

        assert await told(5, 5) == ("", "5")
        reason, message = await told(5, 6)
        assert (reason, message.partition(" are taken")[0]) == ("BAD_VOLUME", "the volume has 6 slices; at most 5")
        assert (await told(9, 0))[0] == "BAD_VOLUME"
        reason, message = await told(5, 0, 2)
        assert reason == "NOT_AN_IMAGE" and message.startswith("slice 3: ")


def test_the_command_reads_folders_and_tiffs(served: RunningFleet, tmp_path: Path) -> None:
    volume = drawn(5)
    pages = [Image.fromarray(one) for one in volume]
    stack, folder, out = tmp_path / "stack.tif", tmp_path / "slices", tmp_path / "masks"
    pages[0].save(stack, save_all=True, append_images=pages[1:])
    folder.mkdir()
    for number, page in enumerate(pages):
        page.save(folder / f"{number:02}.png")
    env = {"CONVOY_SEGMENTATION_ADDRESS": served.addresses["segmentation"]}
    for source in (stack, folder):
        words = ["segment-volume", str(source), "--model", MODEL, "--masks", str(out), "--force", "--json"]
        done = CliRunner().invoke(app, words, env=env)
        assert done.exit_code == 0, done.output
        assert [one["slice"] for one in json.loads(done.stdout)] == list(range(5))
        found = [np.asarray(Image.open(io.BytesIO((out / f"{n:04}.png").read_bytes()))) for n in range(5)]
        assert (np.stack(found) == expected(volume)).all()
    again = CliRunner().invoke(app, [*words[:4], "--masks", str(out)], env=env)
    assert again.exit_code == 2
