"""Which scope each RPC needs: the one table. An RPC that is not in it is refused once authentication is on."""

from collections.abc import Callable
from typing import Any

from convoy.core.security.scopes import MODELS_ADMIN, gallery_scope

# From a request and the name of the service that was asked to the scope that is needed; empty for none.
Rule = Callable[[Any, str], str]


def anybody(_: Any, service: str) -> str:
    """Open, as health is."""
    return ""


def user(_: Any, service: str) -> str:
    """Who may use the service."""
    return service


def models_admin(_: Any, service: str) -> str:
    """Who may change which models are loaded."""
    return MODELS_ADMIN


def gallery(level: str) -> Rule:
    """Who has that level on the gallery that the request names."""
    return lambda request, service: gallery_scope(request.gallery, level)


def every_gallery(level: str) -> Rule:
    """Who has that level on all galleries."""
    return lambda request, service: gallery_scope("*", level)


def inside(rule: Rule) -> Rule:
    """The rule for the request inside a stream's message."""
    return lambda message, service: rule(message.request, service)


def verify(request: Any, service: str) -> str:
    """Two photos are the business of the faces service; a person on record is the gallery's."""
    if request.WhichOneof("reference") == "photo":
        return "faces"
    return gallery_scope(request.person.gallery, "read")


READ, WRITE, ADMIN = gallery("read"), gallery("write"), gallery("admin")

RULES: dict[str, dict[str, Rule]] = {
    "convoy.v1.ClassificationService": {"Classify": user, "ClassifyStream": user},
    "convoy.v1.DetectionService": {"Detect": user, "DetectStream": user},
    "convoy.v1.SegmentationService": {"Segment": user, "SegmentStream": user},
    "convoy.v1.FaceService": {
        "DetectFaces": user,
        "EmbedFaces": user,
        "EmbedFacesStream": user,
        "CompareFaces": user,
        "GetFaceModel": user,
    },
    "convoy.v1.ModelService": {"ListModels": user, "LoadModel": models_admin, "UnloadModel": models_admin},
    "inference.GRPCInferenceService": {
        "ServerLive": anybody,
        "ServerReady": anybody,
        "ModelReady": user,
        "ServerMetadata": user,
        "ModelMetadata": user,
        "ModelConfig": user,
        "ModelInfer": user,
        "ModelStreamInfer": user,
        "ModelStatistics": user,
        "RepositoryIndex": user,
        "RepositoryModelLoad": models_admin,
        "RepositoryModelUnload": models_admin,
    },
    "convoy.v1.RecognitionService": {
        "CreateGallery": ADMIN,
        "GetGallery": READ,
        "ListGalleries": every_gallery("read"),
        "UpdateGallery": ADMIN,
        "DeleteGallery": ADMIN,
        "SetGalleryAlias": every_gallery("admin"),
        "ListGalleryAliases": every_gallery("read"),
        "ExportGallery": ADMIN,
        "ImportGallery": ADMIN,
        "GetGalleryStatus": READ,
        "ListAuditEvents": ADMIN,
        "Register": WRITE,
        "RegisterMany": inside(WRITE),
        "Identify": READ,
        "IdentifyStream": inside(READ),
        "Verify": verify,
        "GetPerson": READ,
        "ListPeople": READ,
        "UpdatePerson": WRITE,
        "DeletePerson": WRITE,
        "DeleteFace": WRITE,
        "FindDuplicates": READ,
        "MergePeople": WRITE,
    },
}


def rule_of(method: str) -> Rule | None:
    """The rule of /package.Service/Method, or None."""
    service, _, name = method.lstrip("/").rpartition("/")
    return RULES.get(service, {}).get(name)
