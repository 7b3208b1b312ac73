"""Boxes, landmarks and faces as Rekognition shows them: boxes as shares of the picture, sureness in percent."""

from collections.abc import Mapping

from convoy.v1 import common_pb2, faces_pb2

Shape = dict[str, object]
EXTERNAL_IMAGE_ID, IMAGE_ID, BOX, CONFIDENCE = "external_image_id", "image_id", "box", "confidence"
"""What is kept of each face, in the metadata of its person."""
_EDGES = ("Left", "Top", "Width", "Height")
_POINTS = {
    "eyeLeft": "left_eye",
    "eyeRight": "right_eye",
    "mouthLeft": "mouth_left",
    "mouthRight": "mouth_right",
    "nose": "nose",
}


def box(found: common_pb2.Box, size: common_pb2.Size) -> dict[str, float]:
    """A box as shares of the picture's width and height."""
    width, height = max(size.width, 1), max(size.height, 1)
    return {
        "Left": found.x_min / width,
        "Top": found.y_min / height,
        "Width": (found.x_max - found.x_min) / width,
        "Height": (found.y_max - found.y_min) / height,
    }


def outline(face: faces_pb2.Face, size: common_pb2.Size) -> Shape:
    """ComparedFace, and what FaceDetail shares with it."""
    points = [
        {"Type": name, "X": point.x / max(size.width, 1), "Y": point.y / max(size.height, 1)}
        for name, point in ((name, getattr(face.landmarks, ours)) for name, ours in _POINTS.items())
    ]
    quality = {"Sharpness": 100 * face.quality.sharpness}
    return {
        "BoundingBox": box(face.box, size),
        "Confidence": percent(face.detection_score),
        "Landmarks": points,
        "Quality": quality,
    }


def facts(face: faces_pb2.Face, size: common_pb2.Size, image_id: str, external_image_id: str) -> dict[str, str]:
    """What is kept of a face beside its template."""
    placed = box(face.box, size)
    kept = {
        IMAGE_ID: image_id,
        BOX: " ".join(f"{placed[edge]:.6f}" for edge in _EDGES),
        CONFIDENCE: f"{percent(face.detection_score):.4f}",
    }
    return kept | ({EXTERNAL_IMAGE_ID: external_image_id} if external_image_id else {})


def record(face_id: str, kept: Mapping[str, str]) -> Shape:
    """Face: one on record. What somebody registered by another door has no box and no image id."""
    shown: Shape = {"FaceId": face_id}
    if edges := _numbers(kept.get(BOX, "")):
        shown["BoundingBox"] = dict(zip(_EDGES, edges, strict=True))
    if kept.get(IMAGE_ID):
        shown["ImageId"] = kept[IMAGE_ID]
    if kept.get(EXTERNAL_IMAGE_ID):
        shown["ExternalImageId"] = kept[EXTERNAL_IMAGE_ID]
    if sureness := _numbers(kept.get(CONFIDENCE, ""), 1):
        shown["Confidence"] = sureness[0]
    return shown


def percent(share: float) -> float:
    """0.987 -> 98.7."""
    return 100.0 * share


def _numbers(text: str, count: int = 4) -> list[float]:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return []
    return numbers if len(numbers) == count else []
