"""Calls of the faces service."""

from collections.abc import Iterable

from convoy.client.answers import faces
from convoy.client.answers.common import Model
from convoy.client.operations.operation import Operation, one_of, only, plan
from convoy.client.pictures import Channels, Picture, write_image, write_images
from convoy.v1 import common_pb2, faces_pb2


def detect_faces(
    picture: Picture,
    *,
    detection_threshold: float | None = None,
    max_faces: int = 0,
    min_face_size: int = 0,
    largest: bool = False,
    any_angle: bool = False,
    detail: bool = False,
    channels: Channels = "rgb",
) -> Operation[faces.Faces]:
    """The faces in a picture with landmarks and quality, largest first. If there is none, the list is empty.

    detection_threshold: 0 to 1, by default the detector's own; max_faces: 0 means 200; min_face_size: in pixels of the
    picture; largest: only the largest face; any_angle: also faces that lean, lie or stand on their head, in up to ten
    times the time; detail: also small faces in large pictures, in up to 60 times the time.
    """
    options = write_options(detection_threshold, max_faces, min_face_size, largest, any_angle, detail)
    request = faces_pb2.DetectFacesRequest(images=[write_image(picture, channels)], options=options)
    return plan(
        "faces",
        request,
        faces_pb2.DetectFacesResponse,
        lambda response: only(faces.read_faces(response)),
        picture=(picture, channels),
    )


def embed_faces(
    picture: Picture,
    *,
    detection_threshold: float | None = None,
    max_faces: int = 0,
    min_face_size: int = 0,
    largest: bool = False,
    aligned_crops: bool = False,
    any_angle: bool = False,
    detail: bool = False,
    channels: Channels = "rgb",
    embedder: Model | None = None,
    embedder_sha256: str = "",
) -> Operation[faces.Faces]:
    """`detect_faces` with an embedding of each face. aligned_crops: also return each face turned upright.

    embedder: by default the service's own; embedder_sha256: the version of it with this graph.
    NotFound(MODEL_NOT_FOUND).
    """
    options = write_options(detection_threshold, max_faces, min_face_size, largest, any_angle, detail)
    request = faces_pb2.EmbedFacesRequest(
        images=[write_image(picture, channels)],
        options=options,
        include_aligned_crops=aligned_crops,
        embedder=_write_embedder(embedder),
        embedder_sha256=embedder_sha256,
    )
    return plan(
        "faces",
        request,
        faces_pb2.EmbedFacesResponse,
        lambda response: only(faces.read_faces(response)),
        picture=(picture, channels),
    )


def embed_faces_many(
    pictures: Iterable[Picture],
    *,
    detection_threshold: float | None = None,
    max_faces: int = 0,
    min_face_size: int = 0,
    largest: bool = False,
    aligned_crops: bool = False,
    any_angle: bool = False,
    detail: bool = False,
    channels: Channels = "rgb",
    embedder: Model | None = None,
    embedder_sha256: str = "",
) -> Operation[list[faces.Faces]]:
    """`embed_faces` for several pictures in one call. Results come in their order; if one fails, so does the call."""
    options = write_options(detection_threshold, max_faces, min_face_size, largest, any_angle, detail)
    request = faces_pb2.EmbedFacesRequest(
        images=write_images(pictures, channels),
        options=options,
        include_aligned_crops=aligned_crops,
        embedder=_write_embedder(embedder),
        embedder_sha256=embedder_sha256,
    )
    return plan("faces", request, faces_pb2.EmbedFacesResponse, faces.read_faces)


def compare_faces(
    first: Picture,
    second: Picture,
    *,
    match_threshold: float | None = None,
    false_match_rate: float | None = None,
    detection_threshold: float | None = None,
    any_angle: bool = False,
    detail: bool = False,
    channels: Channels = "rgb",
) -> Operation[faces.FaceComparison]:
    """Whether the largest faces of two pictures are of the same person.

    match_threshold: cosine similarity, -1 to 1; or false_match_rate: the share of strangers who would match, 0.001 is
    one in a thousand. By default the embedder's own threshold. any_angle, detail: see `detect_faces`.
    FailedPrecondition(NO_FACE): a picture shows no face.
    """
    request = faces_pb2.CompareFacesRequest(
        first=write_image(first, channels),
        second=write_image(second, channels),
        options=write_options(detection_threshold, 0, 0, False, any_angle, detail),
        **one_of(match_threshold=match_threshold, false_match_rate=false_match_rate),
    )
    return plan("faces", request, faces_pb2.CompareFacesResponse, faces.read_comparison)


def get_face_model(embedder: Model | None = None, *, embedder_sha256: str = "") -> Operation[faces.FaceModel]:
    """The face models in use and their calibration. embedder, embedder_sha256: as in `embed_faces`."""
    request = faces_pb2.GetFaceModelRequest(embedder=_write_embedder(embedder), embedder_sha256=embedder_sha256)
    return plan("faces", request, faces_pb2.GetFaceModelResponse, faces.read_face_model)


def _write_embedder(model: Model | None) -> common_pb2.ModelRef | None:
    return common_pb2.ModelRef(name=model.name, version=model.version) if model else None


def write_options(
    detection_threshold: float | None,
    max_faces: int,
    min_face_size: int,
    largest: bool,
    any_angle: bool = False,
    detail: bool = False,
) -> faces_pb2.FaceDetectionOptions:
    """The message that says how faces are looked for."""
    return faces_pb2.FaceDetectionOptions(
        detection_threshold=detection_threshold,
        max_faces=max_faces,
        min_face_size=min_face_size,
        selection=faces_pb2.FACE_SELECTION_LARGEST if largest else faces_pb2.FACE_SELECTION_ALL,
        any_angle=any_angle,
        detail=detail,
    )
