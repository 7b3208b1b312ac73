"""Measures how often somebody is wrongly named in a group photo, against the rate that the caller asked for.

The photos are WIDER FACE's held-out ones, as the service's own FacePipeline sees them; nobody in them is in a gallery
but who was registered from the photo. The gallery has 50 people with one face each, most of them LFW's validation
people. Each photo is decided in several ways: each face alone with the rate of a face (version 0.1.0), each face alone
with the rate of the picture, all faces together with the rate of the picture (the service), and with same_occasion.

    CONVOY_DATA=... python -m benchmarks.group_photos --embedder face-embedder:1
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import uvloop
from convoy.core.manifest import GRAPH_FILE, Task, load_manifest
from convoy.core.models.calibration import FalseMatchCurve
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Pixels, decode_image
from convoy.core.pictures.geometry import compute_iou
from convoy.core.settings import Settings
from convoy.faces.judging import JudgedFace
from convoy.faces.pipeline import FacePipeline
from convoy.faces.task import Options
from convoy.recognition.domain.thresholds import Decision, comparison_rate
from convoy.recognition.search.index import Hit
from convoy.recognition.use_cases.naming import name_faces
from convoy.v1 import common_pb2
from convoy_training.data import wider
from convoy_training.data.group_photos import NOT_ONE_PHOTO
from convoy_training.data.identities import load_faces
from convoy_training.session import open_onnx
from convoy_training.tasks.face_embedding import embed

from benchmarks.conditions import write_result

PEOPLE = 50
RATES = (0.01, 0.05)
MARGIN = 0.03
STRANGERS = 10
HERSELF = "herself"
"""The person who was registered from the photo."""
Vectors = npt.NDArray[np.float32]
Photo = tuple[Vectors, Vectors | None, int]


async def look(pipeline: FacePipeline, pixels: Pixels) -> list[JudgedFace]:
    """Find and embed the faces of a picture."""
    height, width = pixels.shape[:2]
    image = common_pb2.Image(raw=common_pb2.RawImage(width=width, height=height, data=pixels.tobytes()))
    photos = await pipeline.detect([image], Options(), None)
    return (await pipeline.embed(await pipeline.embedder(common_pb2.ModelRef()), photos, None))[0].faces


class Judge:
    """Decides pictures by the curves of an embedder. Each method says whether anybody is wrongly named."""

    def __init__(self, folder: Path) -> None:
        table = load_manifest(folder).calibration
        assert table is not None and table.same_photo is not None
        self._curves = [
            FalseMatchCurve(tuple(one.similarity), tuple(one.false_match_rate)) for one in (table, table.same_photo)
        ]

    def judge(
        self, faces: Vectors, gallery: Vectors, people: Sequence[str], rate: float, own: int | None
    ) -> dict[str, bool]:
        """Whether a picture with these faces is wrong, by each way to decide. own: the face that is HERSELF."""
        found = [_search(face, gallery, people) for face in faces]
        curve, alike = self._curves
        of_face = curve.threshold(comparison_rate(rate, len(gallery)))
        of_picture = curve.threshold(comparison_rate(rate, len(gallery) * len(faces)))
        strict = alike.threshold(comparison_rate(rate, len(gallery) * len(faces)))
        return {
            "each face alone, rate of a face": _is_wrong(found, of_face, own, together=False),
            "each face alone, rate of the picture": _is_wrong(found, of_picture, own, together=False),
            "faces together, rate of the picture": _is_wrong(found, of_picture, own, together=True),
            "the same with same_occasion": _is_wrong(found, strict, own, together=True),
        }


def _search(face: Vectors, gallery: Vectors, people: Sequence[str]) -> list[Hit]:
    similarities = gallery @ face
    return [Hit(people[i], "", float(similarities[i])) for i in np.argsort(-similarities)]


def _is_wrong(found: Sequence[list[Hit]], threshold: float, own: int | None, together: bool) -> bool:
    if together:
        named = name_faces(found, threshold, MARGIN)
    else:
        named = [name_faces([hits], threshold, MARGIN)[0] for hits in found]
    names = [one.hits[0].person_id if one.decision is Decision.MATCH else "" for one in named]
    return any(name and not (face == own and name == HERSELF) for face, name in enumerate(names))


async def read_photos(models: Path, embedder: str) -> list[Photo]:
    """For each photo of several faces: the faces [N, D], largest first, that of a crop of the largest, and its number.

    The crop is twice as large as the face and encoded anew, as somebody would cut it out to register the person. The
    number is that of the face in the photo, or -1 if `Register` would refuse the crop by its quality or score.
    """
    settings = Settings(models=models, threads=1, model_poll_s=0, face_embedder=embedder)
    names = {"embedder": embedder, "detector": settings.face_detector}
    host = ModelHost(settings, (Task.FACE_DETECTION, Task.FACE_EMBEDDING), names)
    await host.start()
    pipeline, photos = FacePipeline(host), []
    try:
        for picture in wider.load_split("validation"):
            if picture.photo.name.rsplit("/", 1)[-1] in NOT_ONE_PHOTO:
                continue
            image = picture.decode()
            faces = await look(pipeline, image)
            if len(faces) < 2:
                continue
            crop, offset = _cut(image, faces[0].detected.box_xyxy)
            cut = await look(pipeline, crop)
            vectors = np.stack([face.embedding for face in faces if face.embedding is not None])
            own = -1
            if cut and _may_be_registered(cut[0], settings):
                box = cut[0].detected.box_xyxy + np.tile(offset, 2)
                overlaps = compute_iou(box, np.stack([face.detected.box_xyxy for face in faces]))
                own = int(np.argmax(overlaps)) if overlaps.max() >= 0.5 else -1
            photos.append((vectors, cut[0].embedding if own >= 0 else None, own))
    finally:
        await host.stop()
    return photos


def _may_be_registered(face: JudgedFace, settings: Settings) -> bool:
    return face.quality.score >= settings.quality_floor and face.detected.score >= settings.face_score_floor


def _cut(image: Pixels, box_xyxy: npt.NDArray[np.float32]) -> tuple[Pixels, npt.NDArray[np.float32]]:
    size = box_xyxy[2:] - box_xyxy[:2]
    low = np.maximum(box_xyxy[:2] - size / 2, 0).astype(int)
    high = np.minimum(box_xyxy[2:] + size / 2, image.shape[1::-1]).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(part, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return decode_image(encoded.tobytes()).image_rgb, low.astype(np.float32)


def measure(judge: Judge, photos: list[Photo], lfw: tuple[Vectors, Vectors]) -> list[dict[str, Any]]:
    """The share of pictures in which somebody is wrongly named, for each case, rate and way to decide."""
    enrolled, strangers = lfw
    random, rows = np.random.default_rng(0), []
    largest = [crop for _, crop, _ in photos if crop is not None]
    names = [f"p{i}" for i in range(PEOPLE)]
    for rate in RATES:
        cases: dict[str, list[dict[str, bool]]] = {
            "one registered from the photo": [],
            "the same, herself cut out of the photo": [],
            "all registered from other photos": [],
            f"{STRANGERS} strangers of LFW": [],
        }
        for faces, crop, own in photos:
            others = [vector for vector in largest if crop is None or vector is not crop]
            gallery = np.stack(others)[random.permutation(len(others))[:PEOPLE]]
            cases["all registered from other photos"].append(judge.judge(faces, gallery, names, rate, None))
            if crop is None:
                continue
            drawn = enrolled[random.permutation(len(enrolled))[: PEOPLE - 1]]
            gallery, people = np.vstack([crop[None], drawn]), [HERSELF, *names[1:]]
            cases["one registered from the photo"].append(judge.judge(faces, gallery, people, rate, own))
            rest = np.delete(faces, own, axis=0)
            case = cases["the same, herself cut out of the photo"]
            case.append(judge.judge(rest, gallery, people, rate, None))
        for _ in range(10):
            gallery = enrolled[random.permutation(len(enrolled))[:PEOPLE]]
            order = random.permutation(len(strangers))
            for start in range(0, len(order) - STRANGERS + 1, STRANGERS):
                faces = strangers[order[start : start + STRANGERS]]
                cases[f"{STRANGERS} strangers of LFW"].append(judge.judge(faces, gallery, names, rate, None))
        rows += [_row(case, rate, seen) for case, seen in cases.items()]
    return rows


def _row(case: str, rate: float, seen: list[dict[str, bool]]) -> dict[str, Any]:
    wrong = {way: bound(sum(one[way] for one in seen), len(seen)) for way in seen[0]}
    return {"case": case, "asked": rate, "pictures": len(seen), "wrong": wrong}


def bound(count: int, of: int) -> tuple[float, float, float]:
    """The share, and its 95 % interval (Wilson 1927), which is not empty where nothing was counted."""
    share, z = count / of, 1.96
    middle, half = share + z * z / (2 * of), z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    low, high = ((middle + sign * half) / (1 + z * z / of) for sign in (-1, 1))
    return share, max(0.0, float(low)), float(high)


def find_folder(models: Path, embedder: str) -> Path:
    """Find the folder of NAME:VERSION, or of the newest version of NAME, which is the one that a service would take."""
    name, _, version = embedder.partition(":")
    newest = max((int(one.name) for one in (models / name).iterdir() if one.name.isdigit()), default=1)
    return models / name / (version or str(newest))


def main() -> None:
    """Measure, print, and write results/group_photos_<embedder>-<version>.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("exported_models"))
    parser.add_argument(
        "--embedder", default="face-embedder", help="NAME or NAME:VERSION; by default the newest version"
    )
    options = parser.parse_args()
    folder = find_folder(options.models, options.embedder)
    embedder = f"{folder.parent.name}:{folder.name}"
    faces = load_faces(("lfw",), "validation")
    several = np.bincount(faces.labels)[faces.labels] > 1
    firsts = np.unique(faces.labels, return_index=True)[1]
    vectors = embed(open_onnx(folder / GRAPH_FILE), faces.crops[firsts])
    lfw = vectors[several[firsts]], vectors[~several[firsts]]
    photos = uvloop.run(read_photos(options.models, embedder))
    rows = measure(Judge(folder), photos, lfw)
    sizes = [len(one) for one, _, _ in photos]
    print(f"{len(photos)} photos of several faces, {np.mean(sizes):.1f} on average, {max(sizes)} at most")
    for row in rows:
        print(f"asked {row['asked']:g}: {row['case']}, {row['pictures']} pictures")
        for way, (share, low, high) in row["wrong"].items():
            print(f"    {share:.3f} ({low:.3f} to {high:.3f})  {way}")
    command = f"python -m benchmarks.group_photos --embedder {embedder}"
    print(write_result(f"group_photos_{embedder.replace(':', '-')}", command, rows))


if __name__ == "__main__":
    main()
