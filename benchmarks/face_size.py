"""Measures how many faces are found correctly at each size: from a face across the room to a passport photo.

It shows portraits in 960x1280 at ten sizes to the service's own FacePipeline. They are of LFW's and CelebA's validation
people, whom no published model has seen. A face is right if its box overlaps that of the whole portrait (IoU 0.5) and
its embedding is similar to that of the whole portrait (cosine 0.5).

    CONVOY_DATA=... python -m benchmarks.face_size --portraits 40
"""

import argparse
import os
import tarfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import uvloop
from convoy.core.manifest import Task
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Pixels, decode_image
from convoy.core.pictures.geometry import compute_iou
from convoy.core.settings import Settings
from convoy.faces.pipeline import FacePipeline, JudgedFace
from convoy.faces.task import Options, cosine
from convoy.v1 import common_pb2

from benchmarks.conditions import write_result

WIDTH, HEIGHT = 960, 1280
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
WHOLE_SHARE = 0.25
"""The face's share of the frame in the whole portrait, which is the reference."""
SETS = {"lfw": "lfw_160_A.tar", "celeba": "celeba_wild_160_A.tar"}

EVERY_FACE = Options()

Floats = npt.NDArray[np.float32]


def read_portraits(data: Path, count: int, people: str = "people_val.txt") -> list[Pixels]:
    """Choose one portrait of each of so many people in a list: half from LFW, half from CelebA if it has enough."""
    celeba = _read_set(data, "celeba", count // 2, people)
    return _read_set(data, "lfw", count - len(celeba), people) + celeba


def _read_set(data: Path, name: str, count: int, people_list: str) -> list[Pixels]:
    with tarfile.open(data / SETS[name]) as archive:
        names = sorted(archive.getnames())
        listed = next(one for one in names if one.endswith(people_list))
        lines = archive.extractfile(listed).read().decode().split("\n")  # type: ignore[union-attr]
        people = sorted({line.split()[0] for line in lines if line.split()})
        step = max(1, len(people) // max(count, 1))
        chosen = people[::step][:count]
        firsts = {
            person: next((one for one in names if f"/{person}/" in one and one.endswith(".jpg")), None)
            for person in chosen
        }
        files = [archive.extractfile(one).read() for one in firsts.values() if one]  # type: ignore[union-attr]
        return [decode_image(file).image_rgb for file in files]


def show(portrait: Pixels, box_xyxy: Floats, share: float) -> tuple[Pixels, Floats]:
    """Place the portrait in a frame of 960x1280, with its face in the middle at this share of the frame's height.

    Also returns the [2, 3] matrix from the portrait to the frame.
    """
    scale = share * HEIGHT / float(box_xyxy[3] - box_xyxy[1])
    middle = (box_xyxy[:2] + box_xyxy[2:]) / 2
    shift = np.array([WIDTH, HEIGHT]) / 2 - scale * middle
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = (max(1, round(portrait.shape[1] * scale)), max(1, round(portrait.shape[0] * scale)))
    scaled = cv2.resize(portrait, size, interpolation=method)
    moved = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    frame = cv2.warpAffine(scaled, moved, (WIDTH, HEIGHT), borderMode=cv2.BORDER_CONSTANT, borderValue=(110, 110, 110))
    return np.asarray(frame, np.uint8), matrix


def map_box(box_xyxy: Floats, matrix: Floats) -> Floats:
    """Map a box into the frame, clipped at its border."""
    corners = box_xyxy.reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(np.clip(corners, 0, [WIDTH, HEIGHT]).reshape(4), np.float32)


async def look(pipeline: FacePipeline, pixels: Pixels, options: Options = EVERY_FACE) -> list[JudgedFace]:
    """Find and embed the faces of a picture."""
    height, width = pixels.shape[:2]
    image = common_pb2.Image(raw=common_pb2.RawImage(width=width, height=height, data=pixels.tobytes()))
    photos = await pipeline.detect([image], options, None)
    return (await pipeline.embed(await pipeline.embedder(common_pb2.ModelRef()), photos, None))[0].faces


async def measure(models: Path, portraits: list[Pixels], detector: str, embedder: str) -> dict[str, object]:
    """Compute the shares of right boxes, of right faces, and of portraits with only one face, for each size."""
    settings = Settings(models=models, threads=1, model_poll_s=0, face_detector=detector, face_embedder=embedder)
    host = ModelHost(settings, (Task.FACE_DETECTION, Task.FACE_EMBEDDING), {"embedder": embedder, "detector": detector})
    await host.start()
    pipeline = FacePipeline(host)
    rows: dict[float, list[tuple[bool, bool, bool]]] = {share: [] for share in SHARES}
    try:
        for portrait in portraits:
            height, width = portrait.shape[:2]
            frame, matrix = show(portrait, np.array([0, 0, width, height], np.float32), 2 * WHOLE_SHARE)
            found = await look(pipeline, frame)
            if not found:
                continue
            whole = found[0]
            box = (whole.detected.box_xyxy.reshape(2, 2) - matrix[:, 2]) / matrix[0, 0]
            for share in SHARES:
                frame, matrix = show(portrait, box.reshape(4).astype(np.float32), share)
                rows[share].append(_judge(await look(pipeline, frame), whole, map_box(box.reshape(4), matrix)))
    finally:
        await host.stop()
    names = ("right_box", "right_face", "one_face")
    table = {
        f"{share:.2f}": {name: round(float(np.mean([row[i] for row in seen])), 3) for i, name in enumerate(names)}
        for share, seen in rows.items()
    }
    return {"portraits": len(rows[SHARES[0]]), "shares": table}


def _judge(faces: list[JudgedFace], whole: JudgedFace, box: Floats) -> tuple[bool, bool, bool]:
    """Whether the largest face has the right box, is also the right face, and is the only one."""
    if not faces:
        return False, False, False
    right = bool(compute_iou(box, faces[0].detected.box_xyxy[None])[0] >= 0.5)
    assert faces[0].embedding is not None and whole.embedding is not None
    return right, right and cosine(faces[0].embedding, whole.embedding) >= 0.5, len(faces) == 1


def main() -> None:
    """Measure, print, and write results/face_size.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("exported_models"))
    parser.add_argument("--detector", default="face-detector-nano")
    parser.add_argument("--embedder", default="face-embedder-small")
    parser.add_argument("--portraits", type=int, default=40)
    options = parser.parse_args()
    portraits = read_portraits(Path(os.environ["CONVOY_DATA"]), options.portraits)
    numbers = uvloop.run(measure(options.models, portraits, options.detector, options.embedder))
    print(f"{numbers['portraits']} portraits; share of the frame's height: right box, right face, only one face")
    for share, row in numbers["shares"].items():  # type: ignore[attr-defined]
        print(f"{share}  {row['right_box']:.3f}  {row['right_face']:.3f}  {row['one_face']:.3f}")
    print(write_result("face_size", f"python -m benchmarks.face_size --portraits {options.portraits}", numbers))


if __name__ == "__main__":
    main()
