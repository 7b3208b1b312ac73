"""Pictures and faces as protobuf messages, both ways: what the face service and recognition's own API share."""

import numpy as np

from convoy.recognition.domain.found_faces import (
    Attribute,
    Box,
    EmbeddedFace,
    EmbeddedFaces,
    FoundFace,
    Point,
    Quality,
    Size,
)
from convoy.recognition.domain.pictures import DetectionOptions, Picture, RawPixels
from convoy.recognition.domain.vectors import Vector
from convoy.v1 import common_pb2, faces_pb2

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def read_picture(image: common_pb2.Image) -> Picture:
    """A picture of a request; what is in it is the face service's business."""
    match image.WhichOneof("content"):
        case "encoded":
            return Picture(encoded=image.encoded)
        case "raw":
            raw = image.raw
            return Picture(raw=RawPixels(raw.width, raw.height, raw.format, raw.data))
        case _:
            return Picture()


def picture_message(picture: Picture) -> common_pb2.Image:
    """The inverse of read_picture."""
    if picture.encoded is not None:
        return common_pb2.Image(encoded=picture.encoded)
    if picture.raw is None:
        return common_pb2.Image()
    raw = picture.raw
    layout = common_pb2.PixelFormat.ValueType(raw.format)
    return common_pb2.Image(raw=common_pb2.RawImage(width=raw.width, height=raw.height, format=layout, data=raw.data))


def read_options(options: faces_pb2.FaceDetectionOptions) -> DetectionOptions:
    """How a caller wants faces to be looked for."""
    return DetectionOptions(
        detection_threshold=options.detection_threshold if options.HasField("detection_threshold") else None,
        max_faces=options.max_faces,
        min_face_size=options.min_face_size,
        only_largest=options.selection == faces_pb2.FACE_SELECTION_LARGEST,
        any_angle=options.any_angle,
        detail=options.detail,
    )


def options_message(options: DetectionOptions) -> faces_pb2.FaceDetectionOptions:
    """The inverse of read_options."""
    return faces_pb2.FaceDetectionOptions(
        detection_threshold=options.detection_threshold,
        max_faces=options.max_faces,
        min_face_size=options.min_face_size,
        selection=faces_pb2.FACE_SELECTION_LARGEST if options.only_largest else faces_pb2.FACE_SELECTION_UNSPECIFIED,
        any_angle=options.any_angle,
        detail=options.detail,
    )


def read_embedded_faces(found: faces_pb2.Faces) -> EmbeddedFaces:
    """The faces of one picture, with embeddings of unit length."""
    faces = tuple(EmbeddedFace(read_face(face), _read_embedding(face.embedding)) for face in found.faces)
    return EmbeddedFaces(faces, Size(found.image_size.width, found.image_size.height), found.found)


def read_face(face: faces_pb2.Face) -> FoundFace:
    """A face without its embedding."""
    box, quality, marks = face.box, face.quality, face.landmarks
    points = (getattr(marks, name) for name in LANDMARKS) if face.HasField("landmarks") else ()
    return FoundFace(
        box=Box(box.x_min, box.y_min, box.x_max, box.y_max),
        detection_score=face.detection_score,
        quality=Quality(
            quality.score,
            quality.size,
            quality.sharpness,
            quality.exposure,
            quality.frontality,
            quality.likeness if quality.HasField("likeness") else None,
            quality.visibility if quality.HasField("visibility") else None,
        ),
        landmarks=tuple(Point(point.x, point.y) for point in points),
        liveness=face.liveness if face.HasField("liveness") else None,
        attributes=tuple(Attribute(one.model.name, one.model.version, one.label, one.score) for one in face.attributes),
    )


def face_message(face: FoundFace) -> faces_pb2.Face:
    """The inverse of read_face: a face as callers see it."""
    box, quality = face.box, face.quality
    points = {
        name: common_pb2.Point(x=point.x, y=point.y)
        for name, point in zip(LANDMARKS, face.landmarks, strict=bool(face.landmarks))
    }
    return faces_pb2.Face(
        box=common_pb2.Box(x_min=box.x_min, y_min=box.y_min, x_max=box.x_max, y_max=box.y_max),
        detection_score=face.detection_score,
        landmarks=faces_pb2.Landmarks(**points) if points else None,
        quality=faces_pb2.FaceQuality(
            score=quality.score,
            size=quality.size,
            sharpness=quality.sharpness,
            exposure=quality.exposure,
            frontality=quality.frontality,
            likeness=quality.likeness,
            visibility=quality.visibility,
        ),
        liveness=face.liveness,
        attributes=map(_attribute_message, face.attributes),
    )


def _attribute_message(attribute: Attribute) -> faces_pb2.FaceAttribute:
    model = common_pb2.ModelRef(name=attribute.model, version=attribute.version)
    return faces_pb2.FaceAttribute(model=model, label=attribute.label, score=attribute.score)


def size_message(size: Size) -> common_pb2.Size:
    """The size of a picture."""
    return common_pb2.Size(width=size.width, height=size.height)


def _read_embedding(embedding: faces_pb2.Embedding) -> Vector:
    vector = np.array(embedding.values, np.float32)
    return vector / np.linalg.norm(vector)
