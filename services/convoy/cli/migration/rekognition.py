"""Faces of an AWS Rekognition collection, by the list that `aws rekognition list-faces` prints, with one's own photos.

Rekognition gives out neither vectors nor photos. Each face becomes a person whose id is the FaceId, as the door for
Rekognition's clients has it; the ExternalImageId says which photo shows it, and the box which face of that.
"""

import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from convoy.cli.migration.source import Left, Photo, Somebody, Source
from convoy.cli.output import shown
from convoy.client.answers.common import Box
from convoy.client.pictures import read_file
from convoy.core.errors import InvalidArgument

MOST_BYTES = 256 << 20
LOST = ("vectors and photos: AWS gives out neither", "users (AssociateFaces): merge faces of one person afterwards")


def read_list(listing: Path, photos: Path) -> Source:
    """Everybody of the list whose photo is in the folder. Raises InvalidArgument(BAD_ARGUMENT) for another file."""
    faces = _faces(listing)
    files = _files(photos)
    people, left = [], []
    for face in faces:
        face_id, named = _said(face, "FaceId"), _said(face, "ExternalImageId")
        found = files.get(named, []) if named else []
        if len(found) == 1:
            photo = Photo(shown(found[0].name), partial(read_file, found[0]), face_id, partial(_box, _edges(face)))
            facts = {"external_image_id": named, "image_id": _said(face, "ImageId")}
            metadata = {key: value for key, value in facts.items() if value}
            people.append(Somebody(named, (photo,), face_id, metadata))
            continue
        if not named:
            why = "it has no ExternalImageId, so nothing says which photo it came from"
        elif not found:
            why = f"no file in {shown(photos.name)} is named {named}"
        else:
            why = f"{len(found)} files are named {named}; keep the one that was indexed"
        left.append(Left(named, "", face_id, "NO_PHOTO", why))
    return Source(tuple(people), tuple(left), LOST, allow_conflict=True)


def _faces(listing: Path) -> list[dict[str, Any]]:
    hint = "make it by: aws rekognition list-faces --collection-id NAME > faces.json"
    if listing.stat().st_size > MOST_BYTES:
        raise InvalidArgument("BAD_ARGUMENT", f"{listing.name} is larger than {MOST_BYTES >> 20} MiB", hint=hint)
    try:
        said = json.loads(listing.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("BAD_ARGUMENT", f"{listing.name} is no JSON: {error}", hint=hint) from error
    faces = said.get("Faces") if isinstance(said, dict) else None
    if not isinstance(faces, list) or not all(isinstance(one, dict) and _said(one, "FaceId") for one in faces):
        raise InvalidArgument("BAD_ARGUMENT", f"{listing.name} has no Faces with a FaceId each", hint=hint)
    if said.get("NextToken"):
        message = f"{listing.name} is one page of a longer list (NextToken); list without --no-paginate"
        raise InvalidArgument("BAD_ARGUMENT", message)
    return faces


def _said(face: dict[str, Any], name: str) -> str:
    value = face.get(name)
    return value if isinstance(value, str) else ""


def _edges(face: dict[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, width and height as shares of the picture. Raises InvalidArgument(BAD_ARGUMENT)."""
    box = face.get("BoundingBox")
    names = ("Left", "Top", "Width", "Height")
    said = [box.get(name) for name in names] if isinstance(box, dict) else []
    values = [float(one) for one in said if isinstance(one, int | float) and -1 <= one <= 2]
    if len(values) != len(names):
        message = f"face {_said(face, 'FaceId')} has no BoundingBox of four shares of the picture"
        raise InvalidArgument("BAD_ARGUMENT", message)
    left, top, width, height = values
    return left, top, width, height


def _box(edges: tuple[float, float, float, float], content: bytes) -> Box:
    """The box in pixels, of the picture as EXIF turns it. Raises InvalidArgument(NOT_AN_IMAGE)."""
    import cv2
    import numpy as np

    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InvalidArgument("NOT_AN_IMAGE", "the file is no JPEG or PNG, which Rekognition takes")
    tall, wide = pixels.shape[:2]
    left, top, width, height = edges
    return Box(left * wide, top * tall, (left + width) * wide, (top + height) * tall)


def _files(folder: Path) -> dict[str, list[Path]]:
    """Files by name and by name without suffix, of the folder and those below."""
    if not folder.is_dir():
        raise InvalidArgument("BAD_ARGUMENT", f"{shown(folder)} is no folder of photos")
    exact: defaultdict[str, list[Path]] = defaultdict(list)
    stems: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            exact[shown(path.name)].append(path)
            stems[shown(path.stem)].append(path)
    return {**stems, **exact}
