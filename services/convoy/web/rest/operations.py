"""The table of operations: add a line, and it is served, documented in OpenAPI, and called by a test."""

from dataclasses import dataclass
from typing import Literal

Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. path: with fields of the request in braces; rpc: /package.Service/Method; picture: for ?draw=1."""

    verb: Verb
    path: str
    rpc: str
    summary: str
    tag: str
    picture: Literal[
        "",
        "classification",
        "detection",
        "segmentation",
        "faces",
        "identification",
        "explained",
        "explained_detection",
    ] = ""
    status: int = 200

    @property
    def name(self) -> str:
        """The RPC's own name."""
        return self.rpc.rpartition("/")[2]


_RECOGNITION = "/convoy.v1.RecognitionService"
_GALLERY = "/v1/galleries/{gallery}"
_PERSON = f"{_GALLERY}/people/{{person_id}}"
_CLASSIFY = "/convoy.v1.ClassificationService/Classify"
_EXPLAIN = "/convoy.v1.ClassificationService/Explain"
_SIGNALS = "/convoy.v1.ClassificationService/ClassifySignal"
_EMBED = "/convoy.v1.ClassificationService/EmbedImages"
_EMBEDDER = "/convoy.v1.ClassificationService/GetEmbedder"
_DETECT = "/convoy.v1.DetectionService/Detect"
_SEGMENT = "/convoy.v1.SegmentationService/Segment"
_TRANSFORM = "/convoy.v1.ImagingService/Transform"
_FACES = "/convoy.v1.FaceService"

OPERATIONS = (
    Operation("POST", "/v1/classify", _CLASSIFY, "Say what pictures show", "Pictures", "classification"),
    Operation("POST", "/v1/classify/signals", _SIGNALS, "Say what signals show", "Signals"),
    Operation("POST", "/v1/embed", _EMBED, "Turn pictures into embeddings", "Pictures"),
    Operation("GET", "/v1/embedder", _EMBEDDER, "Show an embedder and its calibration", "Pictures"),
    Operation("POST", "/v1/explain", _EXPLAIN, "Show what speaks for a label", "Pictures", "explained"),
    Operation(
        "POST",
        "/v1/detect/explain",
        "/convoy.v1.DetectionService/ExplainDetection",
        "Show what speaks for an object",
        "Pictures",
        "explained_detection",
    ),
    Operation(
        "POST",
        "/v1/segment/explain",
        "/convoy.v1.SegmentationService/ExplainSegmentation",
        "Show what a class needs for its pixels",
        "Pictures",
        "explained",
    ),
    Operation(
        "POST", "/v1/faces/compare/explain", f"{_FACES}/ExplainComparison", "Show what makes two faces alike", "Faces"
    ),
    Operation("POST", "/v1/detect", _DETECT, "Find objects", "Pictures", "detection"),
    Operation("POST", "/v1/segment", _SEGMENT, "Say the class of every pixel", "Pictures", "segmentation"),
    Operation("POST", "/v1/transform", _TRANSFORM, "Make pictures of pictures", "Pictures"),
    Operation("POST", "/v1/faces", f"{_FACES}/DetectFaces", "Find faces", "Faces", "faces"),
    Operation("POST", "/v1/faces/embed", f"{_FACES}/EmbedFaces", "Find faces and embed them", "Faces", "faces"),
    Operation("POST", "/v1/faces/compare", f"{_FACES}/CompareFaces", "Compare the faces of two pictures", "Faces"),
    Operation("GET", "/v1/faces/model", f"{_FACES}/GetFaceModel", "Show the models of faces in use", "Faces"),
    Operation("GET", "/v1/galleries", f"{_RECOGNITION}/ListGalleries", "List galleries", "Galleries"),
    Operation("POST", "/v1/galleries", f"{_RECOGNITION}/CreateGallery", "Make a gallery", "Galleries", status=201),
    Operation("GET", _GALLERY, f"{_RECOGNITION}/GetGallery", "Show a gallery", "Galleries"),
    Operation("PATCH", _GALLERY, f"{_RECOGNITION}/UpdateGallery", "Change a gallery", "Galleries"),
    Operation("DELETE", _GALLERY, f"{_RECOGNITION}/DeleteGallery", "Delete a gallery with everybody", "Galleries"),
    Operation("GET", f"{_GALLERY}/status", f"{_RECOGNITION}/GetGalleryStatus", "Show how it is searched", "Galleries"),
    Operation("GET", f"{_GALLERY}/audit", f"{_RECOGNITION}/ListAuditEvents", "List changes, newest first", "Galleries"),
    Operation(
        "GET", f"{_GALLERY}/duplicates", f"{_RECOGNITION}/FindDuplicates", "List people who look alike", "Galleries"
    ),
    Operation(
        "GET",
        f"{_GALLERY}/disagreements",
        f"{_RECOGNITION}/FindDisagreements",
        "List faces unlike their person",
        "Galleries",
    ),
    Operation("GET", "/v1/aliases", f"{_RECOGNITION}/ListGalleryAliases", "List aliases of galleries", "Galleries"),
    Operation("PUT", "/v1/aliases/{alias}", f"{_RECOGNITION}/SetGalleryAlias", "Set or remove an alias", "Galleries"),
    Operation("GET", f"{_GALLERY}/people", f"{_RECOGNITION}/ListPeople", "List people", "People"),
    Operation("PUT", _PERSON, f"{_RECOGNITION}/CreatePerson", "Make a person without faces", "People", status=201),
    Operation("GET", _PERSON, f"{_RECOGNITION}/GetPerson", "Show a person", "People"),
    Operation(
        "GET", f"{_GALLERY}/faces/{{face_id}}", f"{_RECOGNITION}/GetFace", "Show a face and its person", "People"
    ),
    Operation("POST", _PERSON, f"{_RECOGNITION}/Register", "Register a person by photos", "People"),
    Operation("PATCH", _PERSON, f"{_RECOGNITION}/UpdatePerson", "Change a person", "People"),
    Operation("POST", f"{_PERSON}/rename", f"{_RECOGNITION}/RenamePerson", "Give a person another id", "People"),
    Operation("DELETE", _PERSON, f"{_RECOGNITION}/DeletePerson", "Delete a person with every face", "People"),
    Operation("DELETE", f"{_PERSON}/faces/{{face_id}}", f"{_RECOGNITION}/DeleteFace", "Delete one face", "People"),
    Operation(
        "POST", f"{_PERSON}/merge", f"{_RECOGNITION}/MergePeople", "Merge another person into this one", "People"
    ),
    Operation("POST", f"{_GALLERY}/identify", f"{_RECOGNITION}/Identify", "Who is this?", "People", "identification"),
    Operation("POST", f"{_GALLERY}/verify", f"{_RECOGNITION}/Verify", "Is this the person on record?", "People"),
)
