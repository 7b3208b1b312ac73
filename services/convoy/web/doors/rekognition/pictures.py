"""Calls on pictures alone: nothing is looked up, nothing is kept."""

from convoy.core.errors import InvalidArgument
from convoy.v1 import common_pb2, detection_pb2, faces_pb2
from convoy.web.doors import curves
from convoy.web.doors.calls import Caller
from convoy.web.doors.embeddings import cosine
from convoy.web.doors.rekognition.collections import version
from convoy.web.doors.rekognition.fields import Fields
from convoy.web.doors.rekognition.search import NO_FACES
from convoy.web.doors.rekognition.shapes import Shape, box, outline, percent

LEAST_CONFIDENCE, MOST_LABELS = 55.0, 1000


async def detect_faces(caller: Caller, fields: Fields) -> Shape:
    """DetectFaces: box, landmarks, sharpness. What Convoy does not judge is absent, whatever Attributes asks."""
    request = faces_pb2.DetectFacesRequest(images=[fields.image()])
    found = (await caller.ask("FaceService/DetectFaces", request)).results[0]
    return {"FaceDetails": [outline(face, found.image_size) for face in found.faces]}


async def compare_faces(caller: Caller, fields: Fields) -> Shape:
    """CompareFaces: the largest face of the source beside each face of the target."""
    caller.admission.need_scores()
    least = fields.percent("SimilarityThreshold", curves.REKOGNITION_AT_THRESHOLD)
    request = faces_pb2.EmbedFacesRequest(images=[fields.image("SourceImage"), fields.image("TargetImage")])
    answer = await caller.ask("FaceService/EmbedFaces", request)
    first, second = answer.results
    if not first.faces or not second.faces:
        raise InvalidArgument("BAD_ARGUMENT", NO_FACES)
    model = faces_pb2.GetFaceModelRequest(embedder=answer.embedder)
    threshold = (await caller.ask("FaceService/GetFaceModel", model)).default_match_threshold
    source = first.faces[0]
    matches: list[tuple[float, Shape]] = []
    others: list[Shape] = []
    for face in second.faces:
        similarity = curves.rekognition(cosine(source.embedding, face.embedding), threshold)
        if similarity >= least - 1e-6:
            matches.append((similarity, outline(face, second.image_size)))
        else:
            others.append(outline(face, second.image_size))
    matches.sort(key=lambda match: -match[0])
    return {
        "SourceImageFace": {
            "BoundingBox": box(source.box, first.image_size),
            "Confidence": percent(source.detection_score),
        },
        "FaceMatches": [{"Similarity": similarity, "Face": face} for similarity, face in matches],
        "UnmatchedFaces": others,
    }


async def detect_labels(caller: Caller, fields: Fields) -> Shape:
    """DetectLabels: the labels of the detection model, each with its boxes, the surest first."""
    least = fields.percent("MinConfidence", LEAST_CONFIDENCE)
    most = fields.whole("MaxLabels", MOST_LABELS, 0, 2**31 - 1) or MOST_LABELS
    request = detection_pb2.DetectRequest(images=[fields.image()], detection_threshold=least / 100)
    answer = await caller.ask("DetectionService/Detect", request)
    found: detection_pb2.Detections = answer.results[0]
    labels: dict[str, list[detection_pb2.Detection]] = {}
    for one in found.detections:
        labels.setdefault(one.label, []).append(one)
    shown = [_label(name, several, found.image_size) for name, several in labels.items()]
    return {"Labels": shown[:most], "LabelModelVersion": version(answer.model)}


def _label(name: str, found: list[detection_pb2.Detection], size: common_pb2.Size) -> Shape:
    instances = [{"BoundingBox": box(one.box, size), "Confidence": percent(one.score)} for one in found]
    return {"Name": name, "Confidence": percent(found[0].score), "Instances": instances, "Parents": []}
