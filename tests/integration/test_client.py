"""The Python client on real services: every call, with answers that can be worked out by hand."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from convoy.client import AsyncConvoy, Convoy, plans
from convoy.client.answers.common import Box, Model
from convoy.client.answers.faces import Faces
from convoy.client.answers.galleries import GalleryPolicy
from convoy.client.answers.recognition import Decision, Identification, Registration
from convoy.client.answers.vision import Classification, Detections
from convoy.client.operations.faces import get_face_model
from convoy.client.operations.operation import Operation
from convoy.core import errors
from convoy.core.api import SERVICES
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, group, plain, portrait, with_box


def close(box: Box, expected: tuple[float, ...]) -> bool:
    return bool(np.allclose(list(vars(box).values()), expected, atol=3))


def test_classification(convoy: Convoy) -> None:
    red, blue = convoy.classify_many([plain((220, 10, 10)), encode(plain((10, 10, 220)), ".jpg")])
    assert red.best is not None and blue.best is not None
    assert (red.best.label, blue.best.label) == ("red", "blue")
    assert sum(label.probability for label in red.labels) == pytest.approx(1)
    assert (red.image_size.width, red.image_size.height) == (96, 64)
    assert str(red.model) == "cifar10-resnet:1"


def test_detection(convoy: Convoy) -> None:
    answer = convoy.detect(with_box((20, 30, 60, 70)))
    assert [found.label for found in answer] == ["bright"]
    assert close(answer.detections[0].box, (20, 30, 60, 70))
    assert len(convoy.detect(with_box((20, 30, 60, 70)), labels=["dark"])) == 0


def test_the_detection_service_finds_faces_with_the_face_detector(convoy: Convoy) -> None:
    answer = convoy.detect(portrait(1), model="face-detector-nano")
    assert [found.label for found in answer] == ["face"]
    assert close(answer.detections[0].box, (25, 25, 175, 175))


def test_segmentation(convoy: Convoy) -> None:
    answer = convoy.segment(with_box((0, 0, 80, 120)))
    assert answer.mask.shape == (120, 160)
    assert answer.pixels_of("bright").mean() == pytest.approx(0.5, abs=0.03)
    assert {region.label for region in answer.regions} == {"bright", "dark"}


def test_faces(convoy: Convoy) -> None:
    answer = convoy.embed_faces(group([1, 2, 3]), aligned_crops=True)
    assert len(answer) == 3
    first, second = answer.faces[0], answer.faces[1]
    assert close(first.box, (25, 25, 175, 175))
    assert first.embedding is not None and second.embedding is not None
    assert np.linalg.norm(first.embedding) == pytest.approx(1)
    assert float(first.embedding @ second.embedding) < 0.5
    assert first.aligned_crop is not None and first.aligned_crop.shape == (112, 112, 3)
    assert len(convoy.detect_faces(plain())) == 0
    assert len(convoy.detect_faces(group([1, 2, 3]), largest=True)) == 1


def test_faces_are_compared(convoy: Convoy) -> None:
    assert convoy.compare_faces(portrait(1), portrait(1, noise=5)).is_match
    assert not convoy.compare_faces(portrait(1), portrait(2)).is_match
    several = convoy.compare_faces(group([1, 2, 3]), portrait(1))
    assert several.is_match and (several.first_faces_found, several.second_faces_found) == (3, 1)
    with pytest.raises(errors.FailedPrecondition) as caught:
        convoy.compare_faces(portrait(1), plain())
    assert caught.value.reason == "NO_FACE"


def test_the_face_model_comes_with_its_calibration(convoy: Convoy) -> None:
    model = convoy.get_face_model()
    assert (model.embedder.name, model.embedding_size) == ("face-embedder", 192)
    assert model.calibration.impostor_pairs == 1_000_000
    assert list(model.calibration.false_match_rate) == sorted(model.calibration.false_match_rate, reverse=True)


def test_an_embedder_may_be_named_by_its_digest(convoy: Convoy) -> None:
    model = convoy.get_face_model()
    named = Model(model.embedder.name, "")
    assert convoy.get_face_model(named, embedder_sha256=model.embedder_sha256).embedder == model.embedder
    [face] = convoy.embed_faces(portrait(1), embedder=named, embedder_sha256=model.embedder_sha256)
    [many] = convoy.embed_faces_many([portrait(1)], embedder=model.embedder)
    assert face.embedding is not None and np.allclose(face.embedding, many.faces[0].embedding, atol=1e-6)
    with pytest.raises(errors.NotFound) as caught:
        convoy.embed_faces(portrait(1), embedder=named, embedder_sha256="ab" * 32)
    assert caught.value.reason == "MODEL_NOT_FOUND"


def test_a_gallery_whose_embedder_says_nothing_of_one_persons_photos_does_not_know_its_limits(
    convoy: Convoy, gallery: str
) -> None:
    assert convoy.get_face_model().calibration.genuine is None
    limits = convoy.get_gallery_status(gallery).limits
    assert limits is not None and (limits.fit, limits.expected_miss_rate) == ("unknown", None)
    assert "convoy-train calibrate" in limits.unknown_because and limits.miss_rate_limit == pytest.approx(0.2)


def test_unknown_registered_named(convoy: Convoy, gallery: str) -> None:
    (before,) = convoy.identify(gallery, portrait(1, noise=2))
    assert (before.decision, before.person) == (Decision.NO_MATCH, None)
    registration = convoy.register(gallery, "ada", [portrait(1)], display_name="Ada", metadata={"desk": "4"})
    assert registration.person is not None and registration.results[0].accepted
    answer = convoy.identify(gallery, group([1, 2]), min_version=registration.version)
    known, stranger = answer.faces
    assert known.person is not None and known.person.name == "Ada"
    assert known.person.metadata == {"desk": "4"}
    assert (stranger.decision, stranger.person) == (Decision.NO_MATCH, None)
    assert convoy.verify(portrait(1, noise=3), gallery=gallery, person_id="ada").is_match
    assert not convoy.verify(portrait(2), photo=portrait(1)).is_match


def test_people_can_be_changed_and_deleted(convoy: Convoy, gallery: str) -> None:
    for number in range(3):
        convoy.register(gallery, f"p{number}", [portrait(number)])
    assert [person.person_id for person in convoy.list_people(gallery, page_size=2)] == ["p0", "p1", "p2"]
    changed = convoy.update_person(gallery, "p1", display_name="One", metadata={"a": "b"})
    assert (changed.display_name, changed.metadata) == ("One", {"a": "b"})
    assert convoy.delete_person(gallery, "p0").faces_deleted == 1
    face_id = convoy.get_person(gallery, "p1").faces[0].face_id
    convoy.register(gallery, "p1", [portrait(1, noise=8)], add_faces=True)
    convoy.delete_face(gallery, "p1", face_id)
    assert face_id not in [face.face_id for face in convoy.get_person(gallery, "p1").faces]
    with pytest.raises(errors.NotFound) as caught:
        convoy.get_person(gallery, "p0")
    assert caught.value.reason == "PERSON_NOT_FOUND"
    actions = [event.action for event in convoy.list_audit_events(gallery)]
    assert actions.count("Register") == 4


def test_repeating_a_registration_by_its_request_id_changes_nothing(convoy: Convoy, gallery: str) -> None:
    first = convoy.register(gallery, "ada", [portrait(1)], request_id="once")
    assert convoy.register(gallery, "ada", [portrait(1)], request_id="once") == first
    with pytest.raises(errors.AlreadyExists):
        convoy.register(gallery, "ada", [portrait(1)])


def test_a_photo_without_a_face_is_refused_with_what_was_found(convoy: Convoy, gallery: str) -> None:
    with pytest.raises(errors.FailedPrecondition) as caught:
        convoy.register(gallery, "nobody", [plain(), group([1, 2])])
    assert caught.value.reason == "NO_FACE"
    (registration,) = caught.value.details
    assert [photo.refusal for photo in registration.results] == ["NO_FACE", "SEVERAL_FACES"]  # type: ignore[attr-defined]


def test_galleries_keep_their_policy(convoy: Convoy) -> None:
    policy = GalleryPolicy(quality_floor=0.25, false_positive_identification_rate=0.001, max_faces=7, max_people=5)
    convoy.create_gallery("with-policy", description="of the test", policy=policy)
    try:
        kept = convoy.get_gallery("with-policy")
        assert (kept.description, kept.policy) == ("of the test", policy)
        assert "with-policy" in [one.name for one in convoy.list_galleries()]
        assert convoy.update_gallery("with-policy", description="changed").description == "changed"
        assert convoy.get_gallery_status("with-policy").indexed_faces == 0
    finally:
        convoy.delete_gallery("with-policy")


@pytest.mark.parametrize(
    ("picture", "reason"),
    [(b"hello", "NOT_AN_IMAGE"), (b"", "EMPTY_IMAGE"), (encode(portrait(1), ".jpg")[:-900], "TRUNCATED_IMAGE")],
)
def test_bad_pictures_are_refused_with_a_reason(convoy: Convoy, picture: bytes, reason: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        convoy.classify(picture)
    assert caught.value.reason == reason


def test_models_are_listed(convoy: Convoy) -> None:
    (model,) = [model for model in convoy.list_models("classification") if model.is_default]
    assert (model.state, model.labels) == ("READY", ("red", "green", "blue"))
    with pytest.raises(errors.NotFound):
        convoy.classify(plain(), model="no-such-model")


async def test_asyncio_asks_all_services_at_once(fleet: Fleet) -> None:
    async with AsyncConvoy(**fleet.addresses) as convoy:
        states = await asyncio.gather(*(convoy.check_health(service) for service in fleet.addresses))
        red, faces = await asyncio.gather(convoy.classify(plain((220, 9, 9))), convoy.detect_faces(portrait(1)))
        names = [one.name async for one in convoy.list_galleries()]
    assert states == ["SERVING"] * len(SERVICES)
    assert red.best is not None and red.best.label == "red"
    assert len(faces) == 1
    assert isinstance(names, list)


def test_a_stream_answers_in_order_and_goes_on_after_a_bad_picture(convoy: Convoy) -> None:
    pictures = [plain((220, 9, 9)), b"hello", encode(plain((9, 9, 220)))]
    red, bad, blue = convoy.stream(plans.classify(picture, top_k=1) for picture in pictures)
    assert isinstance(bad, errors.InvalidArgument) and bad.reason == "NOT_AN_IMAGE"
    assert [one.best.label for one in (red, blue) if isinstance(one, Classification) and one.best] == ["red", "blue"]
    assert list(convoy.stream([])) == []


def test_answers_of_a_stream_carry_the_callers_ids(convoy: Convoy, gallery: str) -> None:
    pictures = {"first": plain((220, 9, 9)), "second": b"hello", "": plain((9, 9, 220))}
    answers = dict(convoy.stream_with_ids((name, plans.classify(one)) for name, one in pictures.items()))
    assert list(answers) == ["first", "second", ""]
    assert isinstance(answers["second"], errors.InvalidArgument)
    found = [answers[name] for name in ("first", "")]
    assert [one.best.label for one in found if isinstance(one, Classification) and one.best] == ["red", "blue"]
    people = [(f"row {n}", plans.register(gallery, f"p{n}", [portrait(n)])) for n in (1, 2)]
    assert [name for name, one in convoy.stream_with_ids(people) if isinstance(one, Registration)] == ["row 1", "row 2"]


def test_people_are_registered_and_named_in_streams(convoy: Convoy, gallery: str) -> None:
    people = [plans.register(gallery, f"p{number}", [portrait(number)]) for number in (1, 2)]
    assert len([answer for answer in convoy.stream(people) if isinstance(answer, Registration)]) == 2
    video = (plans.identify(gallery, portrait(number, noise=9)) for number in (2, 1, 3))
    named = [answer.faces[0].person for answer in convoy.stream(video) if isinstance(answer, Identification)]
    assert [person.person_id if person else None for person in named] == ["p2", "p1", None]


def test_a_picture_without_a_face_is_an_answer_to_those_who_ask_so(convoy: Convoy, gallery: str) -> None:
    convoy.register(gallery, "p1", [portrait(1)])
    with pytest.raises(errors.FailedPrecondition, match="no face"):
        convoy.identify(gallery, plain())
    nobody = convoy.identify(gallery, plain(), allow_no_face=True)
    assert (len(nobody), nobody.gallery_size, nobody.expected_false_positive_picture_rate) == (0, 1, 0.0)
    seen = convoy.identify(gallery, portrait(1), allow_no_face=True)
    assert [face.person.person_id for face in seen if face.person] == ["p1"]
    video = (plans.identify(gallery, one, allow_no_face=allow) for one, allow in ((plain(), True), (plain(), False)))
    empty, refused = convoy.stream(video)
    assert isinstance(empty, Identification) and len(empty) == 0
    assert isinstance(refused, errors.FailedPrecondition) and refused.reason == "NO_FACE"


def test_small_faces_are_left_out_of_a_search(convoy: Convoy, gallery: str) -> None:
    convoy.register(gallery, "p1", [portrait(1)])
    assert len(convoy.identify(gallery, portrait(1), min_face_size=10)) == 1
    assert len(convoy.identify(gallery, portrait(1), min_face_size=5000, allow_no_face=True)) == 0


def test_faces_are_found_in_streams_without_embedding_them(convoy: Convoy) -> None:
    pictures = [group([1, 2]), plain(), portrait(1)]
    found = list(convoy.stream(plans.detect_faces(one) for one in pictures))
    alone = [convoy.detect_faces(one) for one in pictures]
    assert found == alone and [len(one) for one in alone] == [2, 0, 1]
    assert [one.embedder for one in found if isinstance(one, Faces)] == [None, None, None]
    followed = list(convoy.stream(plans.tracked(plans.detect_faces(group([1, 2]))) for _ in range(2)))
    assert {face.track_id for one in followed if isinstance(one, Faces) for face in one} == {1, 2}


def test_what_breaks_off_a_stream_reaches_the_caller(convoy: Convoy) -> None:
    def video() -> Iterator[Operation[Classification]]:
        yield plans.classify(plain())
        raise OSError("the camera is gone")

    answers = convoy.stream(video())
    assert isinstance(next(answers), Classification)
    with pytest.raises(OSError, match="camera"):
        next(answers)
    with pytest.raises(errors.InvalidArgument, match="has no stream"):
        next(convoy.stream([get_face_model()]))


async def test_asyncio_streams_too(fleet: Fleet) -> None:
    async def video() -> AsyncIterator[Operation[Detections]]:
        for side in (40, 60):
            yield plans.detect(with_box((10, 10, side, side)))

    async with AsyncConvoy(**fleet.addresses) as convoy:
        answers = [answer async for answer in convoy.stream(video())]
    widths = [round(found.box.x_max) for answer in answers if isinstance(answer, Detections) for found in answer]
    assert widths == pytest.approx([40, 60], abs=3)
    async with AsyncConvoy(**fleet.addresses) as convoy:
        named = [name async for name, _ in convoy.stream_with_ids([("door", plans.detect(plain()))])]
    assert named == ["door"]


def test_imaging(convoy: Convoy) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    flat = convoy.transform(plain((90, 120, 30)))
    assert (flat.image == plain((90, 120, 30))).all() and str(flat.model) == "kernels-sharpen:1"
    first, second = convoy.transform_many([picture, encode(plain())], encoding="raw")
    assert (first.size.width, first.size.height) == (90, 70) and first.image.shape == (70, 90, 3)
    assert (convoy.transform(picture).image == first.image).all() and (second.image == plain()).all()
    grey = convoy.transform(picture, colour="luminance", mapping="centred")
    assert grey.image.ndim == 2 and grey.image_rgb.shape == (70, 90, 3)
    answers = list(convoy.stream(plans.transform(one) for one in (picture, b"junk", picture)))
    assert isinstance(answers[1], errors.InvalidArgument)
    assert (answers[2].image == first.image).all()  # type: ignore[union-attr]
    with pytest.raises(errors.InvalidArgument, match="luminance, channels"):
        convoy.transform(picture, colour="sepia")  # type: ignore[arg-type]
