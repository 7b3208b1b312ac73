"""What the published face models make of pictures that nobody would choose: sensible answers, in bounded memory."""

import io
import re
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import grpc
import numpy as np
import numpy.typing as npt
import pytest
from convoy.core.pictures.geometry import compute_iou
from convoy.testing import pictures as tiny_pictures
from convoy.v1 import common_pb2, faces_pb2, faces_pb2_grpc
from PIL import Image

from tests.serving import Running, refusal, running

pytestmark = pytest.mark.data

ImageRGB = npt.NDArray[np.uint8]
MEMORY_MB = 500
"""What a picture of 20 megapixels may add to the process, its 60 MB of pixels included."""


@pytest.fixture
async def faces(root: Path) -> AsyncIterator[Running]:
    async with running("faces", root / "exported_models") as service:
        yield service


@pytest.fixture(scope="session")
def portraits(data: Path) -> list[ImageRGB]:
    """Forty people of LFW, 120x120 pixels, mostly face."""
    with tarfile.open(data / "lfw_160_A.tar") as archive:
        names = [name for name in archive.getnames() if name.endswith("_0001.jpg")][:40]
        pictures = [Image.open(archive.extractfile(name)) for name in names]  # type: ignore[arg-type]
        return [np.asarray(picture.convert("RGB"))[20:140, 20:140] for picture in pictures]


async def find(service: Running, *pictures: ImageRGB | bytes, **options: object) -> list[faces_pb2.Faces]:
    """The faces of each picture, embedded; whatever is found is a whole answer."""
    stub = faces_pb2_grpc.FaceServiceStub(service.channel)
    encoded = [p if isinstance(p, bytes) else tiny_pictures.encode(p, ".jpg") for p in pictures]
    request = faces_pb2.EmbedFacesRequest(
        images=[common_pb2.Image(encoded=data) for data in encoded],
        options=faces_pb2.FaceDetectionOptions(**options),  # type: ignore[arg-type]
    )
    results = list((await stub.EmbedFaces(request)).results)
    for result in results:
        for face in result.faces:
            box, size = face.box, result.image_size
            assert 0 <= box.x_min < box.x_max <= size.width and 0 <= box.y_min < box.y_max <= size.height
            assert 0 < face.detection_score <= 1 and 0 <= face.quality.score <= 1
            assert np.linalg.norm(face.embedding.values) == pytest.approx(1, abs=1e-3)
    return results


def put(picture: ImageRGB, left: int, top: int, width: int = 640, height: int = 480) -> ImageRGB:
    """A picture on a grey canvas, from its left top corner on; what sticks out is cut."""
    canvas = np.full((height, width, 3), 110, np.uint8)
    x, y = max(0, -left), max(0, -top)
    part = picture[y : y + height - max(0, top), x : x + width - max(0, left)]
    canvas[max(0, top) : max(0, top) + part.shape[0], max(0, left) : max(0, left) + part.shape[1]] = part
    return canvas


def enlarge(picture: ImageRGB, factor: float) -> ImageRGB:
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=interpolation), np.uint8)


async def test_a_picture_without_anybody_is_no_error(faces: Running, data: Path) -> None:
    flat = [np.full((480, 640, 3), value, np.uint8) for value in (0, 128, 255)]
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    landscape = (data / "samples" / "no_people_landscape.jpg").read_bytes()
    results = await find(faces, *flat, noise, np.zeros((1, 1, 3), np.uint8), landscape)
    assert [len(result.faces) for result in results] == [0] * 6
    stub = faces_pb2_grpc.FaceServiceStub(faces.channel)
    black = common_pb2.Image(encoded=tiny_pictures.encode(flat[0]))
    answer = await refusal(stub.CompareFaces, faces_pb2.CompareFacesRequest(first=black, second=black))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_FACE")


async def test_a_face_cut_by_the_border_stays_inside_the_picture(faces: Running, portraits: list[ImageRGB]) -> None:
    large = enlarge(portraits[0], 2.5)
    whole, *cut = await find(faces, put(large, 150, 90), put(large, -90, 90), put(large, 430, 90), put(large, 150, -90))
    assert len(whole.faces) == 1
    assert all(len(result.faces) <= 1 for result in cut)


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
async def test_a_close_up_is_the_face_that_it_shows(faces: Running, portraits: list[ImageRGB], share: float) -> None:
    """A passport photo: neither the mouth nor an eye is taken for the face."""
    for portrait in portraits[:6]:
        ((whole,),) = [result.faces for result in await find(faces, put(enlarge(portrait, 2.5), 150, 90))]
        box = np.array([whole.box.x_min - 150, whole.box.y_min - 90, whole.box.x_max - 150, whole.box.y_max - 90])
        scale = share * 1280 / (box[3] - box[1])
        middle = scale * (box[:2] + box[2:]) / 2
        shift = np.array([480, 640]) - middle
        large = enlarge(enlarge(portrait, 2.5), scale)
        close = put(large, *np.round(shift).astype(int).tolist(), width=960, height=1280)
        (result,) = await find(faces, close)
        face = result.faces[0]
        found = np.array([face.box.x_min, face.box.y_min, face.box.x_max, face.box.y_max], np.float32)
        expected = np.clip(box * scale + np.tile(shift, 2), 0, [960, 1280, 960, 1280]).astype(np.float32)
        assert compute_iou(expected, found[None])[0] >= 0.5
        assert float(np.dot(face.embedding.values, whole.embedding.values)) >= 0.5


async def test_detail_finds_small_faces_in_a_photo_of_24_megapixels(faces: Running, data: Path) -> None:
    group = np.asarray(Image.open(data / "samples" / "group_12_people.jpg").convert("RGB"))
    height, width = group.shape[:2]
    large = np.array(Image.open(data / "samples" / "no_people_landscape.jpg").convert("RGB").resize((6000, 4000)))
    left, top = (6000 - width) // 2, (4000 - height) // 2
    large[top : top + height, left : left + width] = group
    alone, plain, detailed = await find(faces, group), await find(faces, large), await find(faces, large, detail=True)
    shift = np.array([left, top, left, top], np.float32)
    boxes = np.array([[f.box.x_min, f.box.y_min, f.box.x_max, f.box.y_max] for f in detailed[0].faces], np.float32)
    expected = [np.array([f.box.x_min, f.box.y_min, f.box.x_max, f.box.y_max], np.float32) for f in alone[0].faces]
    assert len(plain[0].faces) == 0
    found = [compute_iou(one + shift, boxes).max() >= 0.5 for one in expected]
    assert len(found) >= 10 and sum(found) >= len(found) - 1


async def test_two_hundred_faces(faces: Running, portraits: list[ImageRGB]) -> None:
    """More than the embedder's queue holds: one call must not refuse itself."""
    rows = [np.hstack([portraits[(20 * row + column) % 40] for column in range(20)]) for row in range(10)]
    crowd = np.vstack(rows)
    (everyone,), (some,) = await find(faces, crowd), await find(faces, crowd, max_faces=50)
    assert 120 <= len(everyone.faces) <= 200
    assert [face.box for face in some.faces] == [face.box for face in everyone.faces[:50]]


async def test_a_face_of_eight_pixels_is_not_found_or_poor(faces: Running, portraits: list[ImageRGB]) -> None:
    tiny = put(enlarge(portraits[0], 8 / 90), 300, 200)
    (result,), (without,) = await find(faces, tiny), await find(faces, tiny, min_face_size=16)
    assert all(face.quality.size < 0.1 and face.quality.score < 0.3 for face in result.faces)
    assert not without.faces


async def test_upside_down_is_found_when_the_photo_says_so(faces: Running, portraits: list[ImageRGB]) -> None:
    upright = put(enlarge(portraits[0], 2.5), 150, 90)
    turned = np.ascontiguousarray(upright[::-1, ::-1])
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(turned).save(buffer, "JPEG", quality=95, exif=exif)
    straight, said, unsaid = await find(faces, upright, buffer.getvalue(), turned)
    assert len(straight.faces) == len(said.faces) == 1
    assert said.faces[0].box.x_min == pytest.approx(straight.faces[0].box.x_min, abs=4)
    # Without the note the picture is what it is; a face that is claimed all the same must be an upright reading of it.
    assert all(face.landmarks.left_eye.y < face.landmarks.mouth_left.y for face in unsaid.faces)


@pytest.mark.parametrize("quarters", [1, 2, 3])
async def test_at_any_angle_a_turned_face_is_the_face_that_it_is(
    faces: Running, portraits: list[ImageRGB], quarters: int
) -> None:
    for portrait in portraits[:5]:
        upright = put(enlarge(portrait, 2.5), 150, 90)
        turned = np.ascontiguousarray(np.rot90(upright, quarters))
        ((straight, *_), found) = [result.faces for result in await find(faces, upright, turned, any_angle=True)]
        face = found[0]
        assert float(np.dot(face.embedding.values, straight.embedding.values)) >= 0.5
        # Where the nose goes says the rotation itself.
        nose = complex(straight.landmarks.nose.x - 320, straight.landmarks.nose.y - 240) * (-1j) ** quarters
        centre = complex(turned.shape[1] / 2, turned.shape[0] / 2)
        assert abs(nose + centre - complex(face.landmarks.nose.x, face.landmarks.nose.y)) < 20


@pytest.mark.parametrize("degrees", [30, 45, 60, 200])
async def test_at_any_angle_a_leaning_face_is_the_face_that_it_is(
    faces: Running, portraits: list[ImageRGB], degrees: int
) -> None:
    for portrait in portraits[:4]:
        upright = put(enlarge(portrait, 2.5), 170, 170, 640, 640)
        matrix = cv2.getRotationMatrix2D((320, 320), degrees, 1.0)
        turned = np.asarray(cv2.warpAffine(upright, matrix, (640, 640), borderValue=(110, 110, 110)), np.uint8)
        ((straight, *_), found) = [result.faces for result in await find(faces, upright, turned, any_angle=True)]
        face = found[0]
        assert float(np.dot(face.embedding.values, straight.embedding.values)) >= 0.5
        # Where the nose goes says OpenCV.
        nose = matrix @ [straight.landmarks.nose.x, straight.landmarks.nose.y, 1]
        assert np.hypot(*(nose - [face.landmarks.nose.x, face.landmarks.nose.y])) < 20


def draw_cartoon() -> ImageRGB:
    """A yellow face with round eyes and a smile."""
    picture = np.full((480, 640, 3), 235, np.uint8)
    cv2.circle(picture, (320, 240), 150, (250, 210, 60), -1)
    for x in (265, 375):
        cv2.circle(picture, (x, 200), 28, (255, 255, 255), -1)
        cv2.circle(picture, (x, 205), 12, (20, 20, 20), -1)
    cv2.ellipse(picture, (320, 280), (80, 50), 0, 10, 170, (150, 20, 20), 8)
    return picture


def carve(picture: ImageRGB) -> ImageRGB:
    """A face as grey, mottled stone."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    relief = 150 + 1.6 * (grey - cv2.GaussianBlur(grey, (0, 0), 12))
    stone = relief + np.random.default_rng(0).normal(0, 10, grey.shape)
    return np.repeat(np.clip(stone, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


async def test_drawings_and_statues_are_answered_like_any_picture(faces: Running, portraits: list[ImageRGB]) -> None:
    """Whether they are faces is the detector's opinion (its card says so); the answer is whole either way."""
    statue = put(carve(enlarge(portraits[0], 2.5)), 150, 90)
    results = await find(faces, draw_cartoon(), statue)
    assert all(len(result.faces) <= 2 for result in results)


SERVE_ONE = """
import asyncio, sys
from pathlib import Path
from convoy.core.models.host import ModelHost
from convoy.core.manifest import Task
from convoy.core.settings import Settings
from convoy.faces.pipeline import FacePipeline
from convoy.faces.task import Options
from convoy.v1 import common_pb2

def peak_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024

async def main():
    settings = Settings(models=Path(sys.argv[1]), model_poll_s=0)
    tasks = (Task.FACE_DETECTION, Task.FACE_EMBEDDING)
    host = ModelHost(settings, tasks, {"embedder": settings.face_embedder, "detector": settings.face_detector})
    await host.start()
    pipeline = FacePipeline(host)
    async def look(file):
        image = common_pb2.Image(encoded=Path(file).read_bytes())
        photos = await pipeline.detect([image], Options(), None)
        return await pipeline.embed(await pipeline.embedder(common_pb2.ModelRef()), photos, None)
    await look(sys.argv[2])
    before = peak_mb()
    (photo,) = await look(sys.argv[3])
    size = f"{photo.picture.width}x{photo.picture.height}"
    print("answer", size, len(photo.faces), round(peak_mb() - before))
    await host.stop()

asyncio.run(main())
"""


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_a_group_photo_of_twenty_megapixels_takes_bounded_memory(
    root: Path, data: Path, tmp_path: Path, extension: str
) -> None:
    """In a process of its own, after a small photo, so that the peak is this picture's."""
    small = data / "samples" / "group_5_people.jpg"
    group = np.asarray(Image.open(small).convert("RGB"))
    large = cv2.resize(group, (5472, 3648), interpolation=cv2.INTER_LINEAR)
    Image.fromarray(large).save(tmp_path / f"large{extension}")
    command = [sys.executable, "-c", SERVE_ONE, str(root / "exported_models"), str(small)]
    done = subprocess.run([*command, str(tmp_path / f"large{extension}")], capture_output=True, text=True, timeout=300)
    found = re.search(r"answer (\S+) (\d+) (-?\d+)", done.stdout)
    assert found, done.stderr
    assert found[1] == "5472x3648" and int(found[2]) >= 4 and int(found[3]) < MEMORY_MB
