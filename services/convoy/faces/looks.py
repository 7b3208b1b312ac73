"""How often and at which size the detector sees a picture: whole, as a thumbnail, in tiles, and turned.

A network sees only a limited area around each point. If a face fills the picture, it sees an eye or a mouth but not the
face. In a thumbnail of the same picture, the face is small enough. Tiles keep the pixels of small faces. Turned
pictures show faces that are not upright. The call chooses tiles and turns.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from convoy.core.manifest import InputSpec, Manifest, first_given
from convoy.core.models.engine import Outputs
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.geometry import compute_iou
from convoy.core.pictures.resizing import Placement, place
from convoy.faces import task
from convoy.faces.alignment import DegenerateLandmarksError
from convoy.faces.likeness import measure_likeness
from convoy.faces.task import DetectedFace, Floats, Options
from convoy.faces.tiles import OVERLAP_PX, choose_scale, cut_tiles
from convoy.faces.turning import ANGLES, UPRIGHT, Turn, turn, turn_back

THUMBNAIL_PX = 128
"""Long side of the second look, in pixels; it has a twenty-fifth of the first look's pixels."""

LARGE_PX = 192
"""Use a face of the second look only if its longer side, in the first look, is at least this; the first look sees
smaller faces better."""

CLOSE_UP_PX = 288
"""If both looks see a face, prefer the second if the face's longer side, in the first look, is at least this."""

COVERED = 0.7
"""If this share of a box lies in a larger face's box, it is a part of that face, such as its mouth or an eye."""


SHARED = 0.3
"""If this share of one box lies in another box, from tiles or angles, drop the weaker of the two."""

MOST_OF_TILE_PX = 2 * OVERLAP_PX
"""Longest side of a face in a tile; the whole look finds larger faces, and tiles show only parts of them."""


MOST_FOUND = 1000
"""Of what several looks find, only the surest count; at a threshold near 0, each look finds hundreds."""

MOST_LIKED = 200
"""Of so many, the surest, the likeness counts when angles compete; each takes a quarter of a millisecond."""


@dataclass(frozen=True)
class Place:
    """Where a picture lies in the detector's input, before that was turned."""

    placement: Placement
    is_thumbnail: bool = False
    is_tile: bool = False
    turn: Turn = UPRIGHT


@dataclass(frozen=True, eq=False)
class Look:
    """The detector's input, [H, W, 3], and where the picture lies in it."""

    canvas: Pixels
    place: Place


def take_looks(picture: Picture, manifest: Manifest, options: Options) -> list[Look]:
    """Make the looks at a picture, the whole one first. A fixed-size detector has no thumbnail: two looks cost double.

    With detail, a picture that was reduced for the first look also gets looks in tiles. With any_angle, each look has
    seven copies, turned by steps of 45 degrees.
    """
    canvas, placement = task.prepare(picture, manifest)
    looks = [Look(canvas, Place(placement))]
    longest = max(placement.width, placement.height)
    # In a smaller picture, no face is too large for the first look.
    if manifest.input.long_side is not None and longest > CLOSE_UP_PX:
        looks.append(_reduce(looks[0], manifest.input))
    if options.detail and manifest.input.long_side is not None:
        looks += _cut(picture, manifest.input)
    angles = ANGLES if options.any_angle else ()
    return looks + [_turn(look, degrees, manifest.input) for degrees in angles for look in looks]


def _turn(look: Look, degrees: int, spec: InputSpec) -> Look:
    canvas, by = turn(look.canvas, degrees, spec)
    return Look(canvas, replace(look.place, turn=by))


def _cut(picture: Picture, spec: InputSpec) -> list[Look]:
    """Make the looks at the tiles of a picture that is larger than one look."""
    assert spec.long_side is not None  # the caller has checked it
    tile_px, pixels = spec.long_side, picture.image_rgb
    height, width = pixels.shape[:2]
    if max(height, width) <= tile_px:
        return []
    scale = choose_scale(width, height, tile_px)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    factors = (width / pixels.shape[1], height / pixels.shape[0])
    return [_cut_one(pixels, edges, factors, spec) for edges in cut_tiles(pixels.shape[1], pixels.shape[0], tile_px)]


def _cut_one(pixels: Pixels, edges: tuple[int, int, int, int], factors: tuple[float, float], spec: InputSpec) -> Look:
    """Make the look at one tile. factors: from pixels to those of the picture, across and down."""
    left, top, width, height = edges
    canvas, placement = place(pixels[top : top + height, left : left + width], spec)
    across, down = factors
    at = replace(
        placement,
        source_left=round(left * across),
        source_top=round(top * down),
        source_width=round(width * across),
        source_height=round(height * down),
    )
    return Look(canvas, Place(at, is_tile=True))


def _reduce(look: Look, spec: InputSpec) -> Look:
    """Make the look at thumbnail size, out of the whole look's canvas, since that has few pixels."""
    at = look.place.placement
    scale = THUMBNAIL_PX / max(at.width, at.height)
    width, height = max(1, round(at.width * scale)), max(1, round(at.height * scale))
    rows, columns = (-(-side // spec.stride) * spec.stride for side in (height, width))
    canvas = np.full((rows, columns, 3), spec.pad_value, np.uint8)
    seen = look.canvas[at.y : at.y + at.height, at.x : at.x + at.width]
    canvas[:height, :width] = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
    placement = replace(at, canvas_width=columns, canvas_height=rows, x=0, y=0, width=width, height=height)
    return Look(canvas, Place(placement, is_thumbnail=True))


def merge_looks(
    outputs: list[Outputs],
    places: list[Place],
    picture: Picture,
    manifest: Manifest,
    options: Options,
    with_likeness: bool = True,
) -> list[DetectedFace]:
    """Merge the faces of all looks at a picture: each face once, largest first.

    with_likeness: if several angles show the same face, also ask which of them looks like an upright one.
    """
    scale = places[0].placement.width / picture.width
    angles: dict[int, list[DetectedFace]] = {}
    tiles: dict[int, list[list[DetectedFace]]] = {}
    for one, where in zip(outputs, places, strict=True):
        at = where.placement
        upright, degrees = turn_back(one, where.turn), where.turn.degrees
        seen = task.interpret(upright, at, picture, manifest, options)
        if where.is_tile:
            most_px = MOST_OF_TILE_PX * at.source_width / at.width * picture.scale_xy[0]
            tiles.setdefault(degrees, []).append([face for face in seen if _longer_side(face) <= most_px])
        elif where.is_thumbnail:
            sure = first_given(None, manifest.thresholds.detection, task.DETECTION_THRESHOLD)
            angles[degrees] = _add_close_ups(angles[degrees], seen, scale, sure)
        else:
            angles[degrees] = seen
    for degrees, cut in tiles.items():
        angles[degrees] = _add_missed(angles[degrees], _keep_surest(cut))
    return task.select(_join_angles(list(angles.values()), picture if with_likeness else None), options)


def _add_missed(faces: list[DetectedFace], small: list[DetectedFace]) -> list[DetectedFace]:
    """Add the faces that only the tiles show, except parts of faces that the whole picture shows."""
    boxes = np.array([one.box_xyxy for one in faces], np.float32).reshape(-1, 4)
    return [*faces, *(face for face in small if not _shares(face, boxes))]


def _join_angles(angles: list[list[DetectedFace]], picture: Picture | None) -> list[DetectedFace]:
    """If several angles show the same face, keep the surest, since a face looks most like one when it is upright.

    The detector alone can be surer of a face that it takes for upright though it stands on its head: its chin for a
    forehead. So its score is multiplied by the likeness of the crop, if there is a picture to cut it from.
    """
    if len(angles) == 1:
        return angles[0]
    if picture is None:
        return _keep_surest(angles)
    ordered = sorted((face for look in angles for face in look), key=_by_score)
    liked = [(face.score * _measure_likeness(picture, face), face) for face in ordered[:MOST_LIKED]]
    first = [face for _, face in sorted(liked, key=lambda one: -one[0])]
    return _keep_first([*first, *ordered[MOST_LIKED:MOST_FOUND]])


def _measure_likeness(picture: Picture, face: DetectedFace) -> float:
    try:
        return measure_likeness(task.align(picture, face))
    except DegenerateLandmarksError:
        return 0.0


def _by_score(face: DetectedFace) -> float:
    return -face.score


def _keep_surest(looks: list[list[DetectedFace]]) -> list[DetectedFace]:
    """If several looks show the same face, keep the surest; at most MOST_FOUND."""
    return _keep_first(sorted((face for look in looks for face in look), key=_by_score)[:MOST_FOUND])


def _keep_first(ordered: list[DetectedFace]) -> list[DetectedFace]:
    """If several faces share much of their boxes, keep the first of them."""
    kept: list[DetectedFace] = []
    boxes = np.empty((len(ordered), 4), np.float32)
    for face in ordered:
        if not _shares(face, boxes[: len(kept)]):
            boxes[len(kept)] = face.box_xyxy
            kept.append(face)
    return kept


def _shares(face: DetectedFace, boxes_xyxy: Floats) -> bool:
    """Whether much of the face lies in one of the boxes [K, 4], or much of a box in the face."""
    if not len(boxes_xyxy):
        return False
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    areas = np.minimum(sides[:, 0] * sides[:, 1], face.area)
    return bool((_measure_shared(boxes_xyxy, face.box_xyxy) >= SHARED * np.maximum(areas, 1e-6)).any())


def _add_close_ups(
    faces: list[DetectedFace], thumbnail: list[DetectedFace], scale: float, sure: float
) -> list[DetectedFace]:
    """Add the second look's large faces to the first look's, where they replace their own parts.

    A face with a score below `sure`, which a call with a low threshold gets too, does not replace surer ones. scale:
    from pixels of the picture to pixels of the first look.
    """
    for face in thumbnail:
        side_px = _longer_side(face) * scale
        if side_px < LARGE_PX:
            continue
        others = np.array([one.box_xyxy for one in faces], np.float32).reshape(-1, 4)
        same = compute_iou(face.box_xyxy, others) >= task.IOU_THRESHOLD
        if same.any() and side_px < CLOSE_UP_PX:
            continue
        gone = same | (measure_cover(others, face.box_xyxy) >= COVERED)
        if (
            any(is_gone and one.score > face.score for one, is_gone in zip(faces, gone, strict=True))
            and face.score < sure
        ):
            continue
        faces = [*(one for one, is_gone in zip(faces, gone, strict=True) if not is_gone), face]
    return faces


def measure_cover(boxes_xyxy: Floats, by_xyxy: Floats) -> Floats:
    """Compute the share of each box [K, 4] that lies in one box [4], 0 to 1."""
    shared = _measure_shared(boxes_xyxy, by_xyxy)
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return np.asarray(np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0))


def _measure_shared(boxes_xyxy: Floats, other_xyxy: Floats) -> Floats:
    """Compute the area that each box [K, 4] shares with one box [4]."""
    sides = np.minimum(boxes_xyxy[:, 2:], other_xyxy[2:]) - np.maximum(boxes_xyxy[:, :2], other_xyxy[:2])
    np.maximum(sides, 0, out=sides)
    return np.asarray(sides[:, 0] * sides[:, 1])


def _longer_side(face: DetectedFace) -> float:
    x_min, y_min, x_max, y_max = face.box_xyxy
    return float(max(x_max - x_min, y_max - y_min))
