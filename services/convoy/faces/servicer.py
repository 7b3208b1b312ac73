"""FaceService: messages to and from the faces pipeline."""

from collections.abc import AsyncIterator

import grpc

from convoy.core.api import API
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import Manifest, Task
from convoy.core.models.calibration import FalseMatchCurve
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.pictures.decoding import encode_png
from convoy.core.pictures.tracking import Tracks
from convoy.core.serving.admission import Gate
from convoy.core.serving.calibrations import calibration_message
from convoy.core.serving.explaining import few_explanations, look_again, read_options, remaining_s
from convoy.core.serving.messages import box, check_image_count, check_range, image_size, model_ref
from convoy.core.serving.model_services import MODEL_APIS, add_model_doors, gates
from convoy.core.serving.server import Service
from convoy.core.serving.status import Context, deadline
from convoy.core.serving.streaming import answer_stream
from convoy.core.serving.track_numbers import number_tracks
from convoy.core.settings import Settings
from convoy.faces import task
from convoy.faces.classifiers import Attribute
from convoy.faces.explaining import ask_of_faces
from convoy.faces.judging import JudgedFace
from convoy.faces.pipeline import FacePipeline, Photo
from convoy.v1 import common_pb2, faces_pb2_grpc
from convoy.v1 import faces_pb2 as pb

DEFAULT_MAX_FACES = 200
DEFAULT_MATCH_THRESHOLD = 0.4
IN_USE = common_pb2.ModelRef()


class FaceServicer(faces_pb2_grpc.FaceServiceServicer):
    """Answers with a host's face detector and face embedder."""

    def __init__(self, host: ModelHost, pipeline: FacePipeline) -> None:
        self._host = host
        self._pipeline = pipeline
        self._few_explanations = few_explanations()

    async def DetectFaces(self, request: pb.DetectFacesRequest, context: Context) -> pb.DetectFacesResponse:
        """Find every face, with landmarks and quality."""
        check_image_count(request.images, self._host.settings.max_images_per_call)
        photos = await self._pipeline.detect(request.images, _options(request.options), deadline(context))
        detector = model_ref(self._pipeline.detector.manifest)
        return pb.DetectFacesResponse(results=[_faces(photo) for photo in photos], detector=detector)

    async def EmbedFaces(self, request: pb.EmbedFacesRequest, context: Context) -> pb.EmbedFacesResponse:
        """Find every face and embed it."""
        check_image_count(request.images, self._host.settings.max_images_per_call)
        if request.without_embeddings:
            return await self._only_found(request, context)
        until, model = deadline(context), await self._pipeline.embedder(request.embedder, request.embedder_sha256)
        photos = await self._pipeline.detect(request.images, _options(request.options), until)
        photos = await self._pipeline.embed(model, photos, until)
        embedder = model_ref(model.manifest)
        return pb.EmbedFacesResponse(
            results=[_faces(photo, embedder, request.include_aligned_crops) for photo in photos],
            detector=model_ref(self._pipeline.detector.manifest),
            embedder=embedder,
            embedder_sha256=model.manifest.sha256,
        )

    async def _only_found(self, request: pb.EmbedFacesRequest, context: Context) -> pb.EmbedFacesResponse:
        photos = await self._pipeline.detect(request.images, _options(request.options), deadline(context))
        return pb.EmbedFacesResponse(
            results=[_faces(photo, crops=request.include_aligned_crops) for photo in photos],
            detector=model_ref(self._pipeline.detector.manifest),
        )

    def EmbedFacesStream(
        self, requests: AsyncIterator[pb.EmbedFacesStreamRequest], context: Context
    ) -> AsyncIterator[pb.EmbedFacesStreamResponse]:
        """Embed the faces of a stream of pictures, answered in order."""
        tracks = Tracks()

        def number(message: pb.EmbedFacesStreamRequest, reply: pb.EmbedFacesStreamResponse) -> None:
            if message.track:
                number_tracks(tracks, reply.response.results, "faces", message.after_cut)

        return answer_stream(
            requests,
            lambda message: self.EmbedFaces(message.request, context),
            pb.EmbedFacesStreamResponse,
            number,
        )

    async def CompareFaces(self, request: pb.CompareFacesRequest, context: Context) -> pb.CompareFacesResponse:
        """Say whether the largest faces of two pictures are of one person."""
        model = await self._pipeline.embedder(IN_USE)
        manifest = model.manifest
        threshold = _match_threshold(request, manifest)
        photos, one, other = await self._two_faces(request, model, deadline(context))
        assert one.embedding is not None and other.embedding is not None  # `_two_faces` has just made them
        similarity = task.cosine(one.embedding, other.embedding)
        return pb.CompareFacesResponse(
            is_match=similarity >= threshold,
            similarity=similarity,
            match_threshold=threshold,
            expected_false_match_rate=_expected_rate(manifest, threshold),
            first=_face(one),
            second=_face(other),
            embedder=model_ref(manifest),
            first_faces_found=photos[0].found,
            second_faces_found=photos[1].found,
            beyond_calibration=_is_beyond(manifest, threshold),
        )

    async def ExplainComparison(
        self, request: pb.ExplainComparisonRequest, context: Context
    ) -> pb.ExplainComparisonResponse:
        """Show what in the first picture's face makes it similar to the second picture's."""
        options, until = read_options(request.explanation), deadline(context)
        async with self._few_explanations.place(remaining_s(until)):
            model = await self._pipeline.embedder(IN_USE)
            photos, one, other = await self._two_faces(request, model, until)
            question = ask_of_faces(photos[0].picture, one, other, options.overlay)
            explanation = await look_again(self._host.pipeline, model, question, options, until)
        return pb.ExplainComparisonResponse(
            explanation=explanation, first=_face(one), second=_face(other), embedder=model_ref(model.manifest)
        )

    async def _two_faces(
        self, request: pb.CompareFacesRequest | pb.ExplainComparisonRequest, model: LoadedModel, until: float | None
    ) -> tuple[list[Photo], JudgedFace, JudgedFace]:
        """Find and embed the largest face of each picture. Raises FailedPrecondition(NO_FACE)."""
        request.options.selection = pb.FACE_SELECTION_LARGEST
        photos = await self._pipeline.detect((request.first, request.second), _options(request.options), until)
        for photo, which in zip(photos, ("first", "second"), strict=True):
            if not photo.faces:
                raise FailedPrecondition("NO_FACE", f"no face was found in the {which} picture", {"image": which})
        one, other = [photo.faces[0] for photo in await self._pipeline.embed(model, photos, until)]
        return photos, one, other

    async def GetFaceModel(self, request: pb.GetFaceModelRequest, context: Context) -> pb.GetFaceModelResponse:
        """Name the models in use, and the embedder's calibration."""
        manifest = (await self._pipeline.embedder(request.embedder, request.embedder_sha256)).manifest
        return pb.GetFaceModelResponse(
            detector=model_ref(self._pipeline.detector.manifest),
            embedder=model_ref(manifest),
            embedder_sha256=manifest.sha256,
            embedding_size=manifest.embedding_size or 0,
            default_match_threshold=_default_threshold(manifest),
            calibration=calibration_message(manifest),
            liveness=[model_ref(model.manifest) for model in self._pipeline.liveness],
            attributes=[model_ref(model.manifest) for model in self._pipeline.attributes],
        )


def _options(options: pb.FaceDetectionOptions) -> task.Options:
    threshold = None
    if options.HasField("detection_threshold"):
        threshold = check_range("detection_threshold", options.detection_threshold, 0, 1)
    largest_only = options.selection == pb.FACE_SELECTION_LARGEST
    most = options.max_faces or DEFAULT_MAX_FACES
    return task.Options(threshold, most, options.min_face_size, largest_only, options.any_angle, options.detail)


def _match_threshold(request: pb.CompareFacesRequest, manifest: Manifest) -> float:
    criterion = request.WhichOneof("criterion")
    if criterion == "match_threshold":
        return check_range("match_threshold", request.match_threshold, -1, 1)
    if criterion == "false_match_rate":
        rate = check_range("false_match_rate", request.false_match_rate, 0, 1)
        if (curve := _curve(manifest)) is None:
            raise FailedPrecondition(
                "NOT_CALIBRATED", f"{manifest.name} has no calibration", hint="give match_threshold"
            )
        return curve.threshold(rate)
    return _default_threshold(manifest)


def _default_threshold(manifest: Manifest) -> float:
    return DEFAULT_MATCH_THRESHOLD if manifest.thresholds.match is None else manifest.thresholds.match


def _expected_rate(manifest: Manifest, threshold: float) -> float:
    curve = _curve(manifest)
    return 0.0 if curve is None else curve.false_match_rate_at(threshold)


def _is_beyond(manifest: Manifest, threshold: float) -> bool:
    curve = _curve(manifest)
    return curve is not None and curve.is_beyond(threshold)


def _curve(manifest: Manifest) -> FalseMatchCurve | None:
    table = manifest.calibration
    return None if table is None else FalseMatchCurve(tuple(table.similarity), tuple(table.false_match_rate))


def _faces(photo: Photo, embedder: common_pb2.ModelRef | None = None, crops: bool = False) -> pb.Faces:
    faces = [_face(face, embedder, crops) for face in photo.faces]
    return pb.Faces(faces=faces, image_size=image_size(photo.picture), found=photo.found)


def _face(face: JudgedFace, embedder: common_pb2.ModelRef | None = None, crop: bool = False) -> pb.Face:
    """Write a face as a message; with its embedding only if you give the model."""
    points = [common_pb2.Point(x=x, y=y) for x, y in face.detected.landmarks_xy.tolist()]
    quality = face.quality
    embedding = None
    if embedder is not None and face.embedding is not None:
        embedding = pb.Embedding(values=face.embedding.tolist(), model=embedder)
    return pb.Face(
        box=box(face.detected.box_xyxy.tolist()),
        detection_score=face.detected.score,
        landmarks=pb.Landmarks(
            left_eye=points[0], right_eye=points[1], nose=points[2], mouth_left=points[3], mouth_right=points[4]
        ),
        quality=pb.FaceQuality(
            score=quality.score,
            size=quality.size,
            sharpness=quality.sharpness,
            exposure=quality.exposure,
            frontality=quality.frontality,
            likeness=quality.likeness,
            visibility=quality.visibility,
        ),
        embedding=embedding,
        aligned_crop=encode_png(face.aligned_rgb) if crop else b"",
        liveness=face.liveness,
        attributes=map(_attribute, face.attributes),
    )


def _attribute(attribute: Attribute) -> pb.FaceAttribute:
    return pb.FaceAttribute(model=model_ref(attribute.model), label=attribute.label, score=attribute.score)


async def build(settings: Settings) -> Service:
    """Build the faces service, without starting it."""
    tasks = [Task.FACE_DETECTION, Task.FACE_EMBEDDING]
    chosen = {"CONVOY_FACE_EMBEDDER": settings.face_embedder, "CONVOY_FACE_DETECTOR": settings.face_detector}
    if settings.face_liveness or settings.face_attributes:
        tasks.append(Task.CLASSIFICATION)
        chosen["CONVOY_FACE_LIVENESS"] = settings.face_liveness
        chosen["CONVOY_FACE_ATTRIBUTES"] = settings.face_attributes
    host = ModelHost(settings, tasks, chosen)
    pipeline = FacePipeline(host)

    async def start() -> None:
        await host.start()
        pipeline.check()

    def add_to(server: grpc.aio.Server) -> None:
        faces_pb2_grpc.add_FaceServiceServicer_to_server(FaceServicer(host, pipeline), server)
        add_model_doors(host, server)

    # Every picture goes to the detector first.
    detector = Gate(lambda _: [host.named(settings.face_detector).batcher])
    name = API["faces"].grpc_name
    photos = dict.fromkeys(
        (f"/{name}/{call}" for call in ("DetectFaces", "EmbedFaces", "CompareFaces", "ExplainComparison")), detector
    )
    return Service("faces", add_to, start, host.stop, gates(host, {}) | photos, beside=MODEL_APIS)
