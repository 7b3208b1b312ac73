"""One person is one face of a picture at most, and a rate of false names is one of pictures or one of faces."""

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.edits import GalleryEdit, PolicyEdit
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Gallery, Model, Policy
from convoy.recognition.domain.searches import MATCH_THRESHOLD, Criterion, Identified, Search
from convoy.recognition.domain.thresholds import Decision, RateUnit, comparison_rate, identification_rate
from convoy.recognition.messages import gallery_message, identified_message
from convoy.recognition.requests import read_gallery_edit, read_search
from convoy.recognition.search.index import Hit
from convoy.recognition.use_cases.naming import CANDIDATES, Named, name_faces
from convoy.v1 import recognition_pb2 as pb

from tests.fake_face_source import CURVE, axis, embedded
from tests.use_cases import UseCases

RATE = "false_positive_identification_rate"
AT_04 = Criterion(MATCH_THRESHOLD, 0.4)


def picture(*faces: dict[str, float]) -> list[list[Hit]]:
    """What a search finds: for each face the similarity of each person."""
    return [
        sorted((Hit(person, "f", similarity) for person, similarity in face.items()), key=lambda hit: -hit.similarity)
        for face in faces
    ]


def names(named: list[Named]) -> list[str]:
    """The person of each face, ? where it is ambiguous, - for nobody, and whom it is not."""
    words = {Decision.AMBIGUOUS: "?", Decision.NO_MATCH: "-"}
    return [
        words.get(one.decision, one.hits[0].person_id if one.hits else "")
        + (f" not {one.elsewhere.person_id}" if one.elsewhere else "")
        for one in named
    ]


@pytest.mark.parametrize(
    ("faces", "wanted"),
    [
        ([{"ada": 0.9}, {"ada": 0.6}, {"ada": 0.3}], ["ada", "- not ada", "-"]),
        # The second face is nearer to ada than the first, but eve's is no other.
        ([{"ada": 0.60}, {"ada": 0.62, "eve": 0.61}], ["ada", "eve"]),
        # The loser's second person is free.
        ([{"ada": 0.9}, {"ada": 0.6, "eve": 0.5}], ["ada", "eve"]),
        # One good name beats two poor ones.
        ([{"ada": 0.9, "eve": 0.45}, {"ada": 0.6}], ["ada", "- not ada"]),
        # Who is ambiguous alone is not once the other twin is somewhere else.
        ([{"ada": 0.80, "eve": 0.79}, {"ada": 0.70, "eve": 0.82}], ["ada", "eve"]),
        ([{"ada": 0.60}, {"ada": 0.59}], ["?", "?"]),
        ([{"ada": 0.60}, {"ada": 0.59}, {"ada": 0.50}], ["?", "?", "- not ada"]),
        ([{"ada": 0.60, "eve": 0.60}, {"ada": 0.60, "eve": 0.60}], ["?", "?"]),
        ([{"ada": 0.90, "eve": 0.89}, {"bob": 0.9}], ["?", "bob"]),
        ([{"ada": 0.4}, {"ada": 0.39}], ["ada", "-"]),
    ],
)
def test_faces_are_decided_by_the_best_total(faces: list[dict[str, float]], wanted: list[str]) -> None:
    assert names(name_faces(picture(*faces), threshold=0.4, margin=0.03)) == wanted


def test_two_hundred_faces_that_claim_everybody_are_decided_too() -> None:
    similar = np.random.default_rng(0).uniform(0.4, 0.9, (200, CANDIDATES))
    crowd = picture(*({f"p{(i + j) % 200}": float(s) for j, s in enumerate(row)} for i, row in enumerate(similar)))
    named = [one.hits[0].person_id for one in name_faces(crowd, 0.4, 0.0) if one.decision is Decision.MATCH]
    assert len(set(named)) == len(named) == 200


async def who(house: UseCases, photo: bytes, **more: object) -> Identified:
    return await house.identification.identify(Search("staff", Picture(encoded=photo), **more))  # type: ignore[arg-type]


async def test_the_weaker_of_two_claims_is_said_to_be_named_elsewhere(house: UseCases) -> None:
    version = (await house.register("ada", b"1", display_name="Ada")).version
    house.faces.shows[b"group"] = [embedded(axis(1, 2, 0.6)), embedded(axis(1)), embedded(axis(3))]
    found = await who(house, b"group", criterion=AT_04, min_version=version)
    like, ada, stranger = found.faces
    assert [face.decision for face in found.faces] == [Decision.NO_MATCH, Decision.MATCH, Decision.NO_MATCH]
    assert (like.matches, stranger.named_elsewhere) == ([], None)
    assert like.named_elsewhere and like.named_elsewhere.display_name == "Ada"
    assert like.named_elsewhere.similarity == pytest.approx(0.6) and ada.matches[0].person_id == "ada"
    answer = identified_message(found)
    reasons = [pb.NoMatchReason.Name(face.no_match_reason).removeprefix("NO_MATCH_REASON_") for face in answer.faces]
    assert reasons == ["NAMED_ELSEWHERE", "UNSPECIFIED", "UNKNOWN"]
    assert answer.faces[0].named_elsewhere.person_id == "ada" and not answer.faces[2].HasField("named_elsewhere")


async def test_people_beyond_top_k_count_when_those_before_are_other_faces(house: UseCases) -> None:
    for number, person in enumerate(("ada", "bob", "cid", "dan")):
        version = (await house.register(person, str(number).encode())).version
    last = np.array([0.55, 0.5, 0.48, 0.45, 0, 0, 0, 0], np.float32)
    house.faces.shows[b"group"] = [embedded(axis(i)) for i in range(3)] + [embedded(last / np.linalg.norm(last))]
    found = await who(house, b"group", criterion=AT_04, top_k=1, min_version=version)
    assert [face.matches[0].person_id for face in found.faces] == ["ada", "bob", "cid", "dan"]


async def test_a_rate_is_one_of_pictures_unless_it_is_said_to_be_one_of_faces(house: UseCases) -> None:
    await house.register("ada", b"1")
    await house.register("eve", b"3")
    rate = Criterion(RATE, 0.001)
    by_picture, by_face = CURVE.threshold(comparison_rate(0.001, 4)), CURVE.threshold(comparison_rate(0.001, 2))
    found = await who(house, b"two", criterion=rate)
    assert [face.match_threshold for face in found.faces] == [by_picture] * 2
    assert (found.rate_unit, found.same_occasion) == (RateUnit.PICTURE, False)
    assert found.expected_false_positive_picture_rate == pytest.approx(0.001)
    per_face = identification_rate(CURVE.false_match_rate_at(by_picture), 2)
    assert found.faces[0].expected_false_positive_identification_rate == pytest.approx(per_face)
    found = await who(house, b"two", criterion=rate, rate_unit=RateUnit.FACE)
    assert found.faces[0].match_threshold == by_face and found.rate_unit is RateUnit.FACE
    assert found.expected_false_positive_picture_rate == pytest.approx(identification_rate(0.001, 2), rel=1e-3)
    # One face is a picture of one face, and only the faces that are searched count.
    largest = await who(house, b"two", criterion=rate, options=DetectionOptions(only_largest=True))
    assert [face.match_threshold for face in largest.faces] == [by_face]


async def test_gallery_then_service_say_what_the_rate_is_of(house: UseCases) -> None:
    await house.register("ada", b"1")
    assert (await who(house, b"two")).rate_unit is RateUnit.PICTURE
    house.settings.rate_unit = "face"
    assert (await who(house, b"two")).rate_unit is RateUnit.FACE
    await house.galleries.update(GalleryEdit("staff", policy=PolicyEdit({"rate_unit": "picture"})))
    version = (await house.store.get_gallery("staff")).version
    assert (await who(house, b"two", min_version=version)).rate_unit is RateUnit.PICTURE


async def test_a_picture_of_the_same_occasion_is_held_to_pairs_from_one_photo(house: UseCases) -> None:
    await house.register("ada", b"1")
    with pytest.raises(FailedPrecondition, match="has no calibration for pairs from one photo"):
        await who(house, b"two", same_occasion=True)
    alike = FalseMatchCurve((0.0, 0.4, 0.6, 0.9), (0.9, 0.1, 1e-2, 1e-5))
    object.__setattr__(house.faces.face_model, "same_photo", alike)
    try:
        found = await who(house, b"two", criterion=Criterion(RATE, 0.01), same_occasion=True)
        assert found.faces[0].match_threshold == alike.threshold(comparison_rate(0.01, 2))
        assert found.same_occasion and found.expected_false_positive_picture_rate == pytest.approx(0.01)
        await house.galleries.update(GalleryEdit("staff", policy=PolicyEdit({"same_occasion": True})))
        version = (await house.store.get_gallery("staff")).version
        assert (await who(house, b"two", min_version=version)).same_occasion
        assert not (await who(house, b"two", same_occasion=False, min_version=version)).same_occasion
    finally:
        object.__setattr__(house.faces.face_model, "same_photo", None)


def test_what_the_caller_says_is_read_and_what_nobody_knows_is_refused() -> None:
    search = read_search(pb.IdentifyRequest(rate_unit=pb.RATE_UNIT_FACE, same_occasion=False))
    assert (search.rate_unit, search.same_occasion) == (RateUnit.FACE, False)
    search = read_search(pb.IdentifyRequest())
    assert (search.rate_unit, search.same_occasion) == (None, None)
    policy = pb.GalleryPolicy(rate_unit=pb.RATE_UNIT_PICTURE, same_occasion=True)
    edit = read_gallery_edit(pb.UpdateGalleryRequest(policy=policy))
    assert edit.policy.values == {"rate_unit": "picture", "same_occasion": True}
    with pytest.raises(InvalidArgument, match="rate_unit 7 is not known"):
        read_search(pb.IdentifyRequest(rate_unit=7))  # type: ignore[arg-type]


def test_a_gallery_keeps_it_and_one_from_before_has_nothing_of_it() -> None:
    model = Model("embedder", "1", "ab" * 32, 4)
    gallery = Gallery("staff", model, policy=Policy(rate_unit="face", same_occasion=False))
    assert Gallery.from_json("staff", gallery.to_json(), gallery.later_to_json()) == gallery
    told = gallery_message(gallery).policy
    assert (told.rate_unit, told.same_occasion) == (pb.RATE_UNIT_FACE, False)
    before = Gallery("staff", model)
    assert before.to_json() == gallery.to_json() and before.later_to_json() == ""
    told = gallery_message(before).policy
    assert not told.HasField("rate_unit") and not told.HasField("same_occasion")
