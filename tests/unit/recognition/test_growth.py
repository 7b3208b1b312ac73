"""How large a gallery may grow: the miss rate that its size means, and when it is said."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from convoy.core.models.calibration import FalseMatchCurve, MissCurve
from convoy.core.settings import Settings
from convoy.recognition.domain.edits import NewGallery
from convoy.recognition.domain.growth import Fit, Genuine, judge_size
from convoy.recognition.domain.records import Gallery, Model, Policy
from convoy.recognition.use_cases.growth import MISS_RATE, OUTGROWN, Growth
from convoy.testing.memory_store import MemoryStore
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tests.fake_face_source import CURVE, FACE_MODEL, FakeFaceSource, axis, embedded
from tests.use_cases import UseCases

# Ten times the strictness raises the threshold by 0.1 and the misses by a tenth.
STRANGERS = FalseMatchCurve((0.0, 1.0), (1.0, 1e-10))
GENUINE = Genuine(MissCurve((0.0, 1.0), (0.0, 1.0)), 900, "made up")
MODEL = replace(FACE_MODEL, curve=STRANGERS, genuine=GENUINE)


def made(name: str = "staff", **policy: Any) -> Gallery:
    return Gallery(name, Model("fake-embedder", "1", "cd" * 32, 8), policy=Policy(**policy))


@pytest.mark.parametrize(("faces", "missed"), [(1, 0.1), (10, 0.2), (1000, 0.4)])
def test_the_expected_miss_rate_rises_with_the_size(faces: int, missed: float) -> None:
    limits = judge_size(STRANGERS, GENUINE, faces, 0.1, 0.35)
    assert limits.expected_miss_rate == pytest.approx(missed, abs=0.01)
    assert limits.outgrown_at_faces == pytest.approx(10 ** (0.35 * 10 - 1), rel=0.15)


def test_the_size_from_which_a_gallery_is_outgrown_is_the_least_one_past_the_limit() -> None:
    limits = judge_size(STRANGERS, GENUINE, 1, 0.1, 0.35)
    size = limits.outgrown_at_faces
    assert size is not None
    for faces, expected in (
        (size, Fit.OUTGROWN),
        (size - 1, Fit.NEARLY_OUTGROWN),
        (int(size * 0.8) - 1, Fit.FITS),
    ):
        found = judge_size(STRANGERS, GENUINE, faces, 0.1, 0.35)
        assert found.fit is expected
        assert (found.expected_miss_rate > 0.35) is (expected is Fit.OUTGROWN)  # type: ignore[operator]


def test_an_embedder_that_is_good_enough_is_never_outgrown() -> None:
    apart = Genuine(MissCurve((0.99, 1.0), (0.001, 1.0)), 900, "made up")
    limits = judge_size(FalseMatchCurve((0.0, 0.5), (1.0, 1e-12)), apart, 10**6, 0.01, 0.2)
    assert (limits.fit, limits.outgrown_at_faces) == (Fit.FITS, None)


def test_an_embedder_that_is_too_poor_for_one_face_is_outgrown_at_once() -> None:
    assert judge_size(STRANGERS, GENUINE, 0, 1e-6, 0.2).fit is Fit.FITS
    limits = judge_size(STRANGERS, GENUINE, 1, 1e-6, 0.2)
    assert (limits.fit, limits.outgrown_at_faces) == (Fit.OUTGROWN, 1)


def test_a_threshold_beyond_what_was_measured_is_expected_to_miss_everybody() -> None:
    curve = MissCurve((0.1, 0.5), (0.05, 0.9))
    assert [curve.miss_rate_at(one) for one in (-0.5, 0.1, 0.3, 0.51)] == [0.05, 0.05, pytest.approx(0.475), 1.0]


def logged(entries: list[Mapping[str, Any]]) -> list[str]:
    return [entry["event"] for entry in entries]


def test_growing_is_told_once_for_each_step() -> None:
    growth, gallery = Growth(Settings(miss_rate_limit=0.35)), made(false_positive_identification_rate=0.1)
    size = judge_size(STRANGERS, GENUINE, 1, 0.1, 0.35).outgrown_at_faces
    assert size is not None
    with capture_logs() as entries:
        for faces in (1, size // 2, size - 2, size - 1, size, size + 1):
            growth.judge(gallery, MODEL, faces)
    assert logged(entries) == ["gallery is nearly outgrown", "gallery is outgrown"]
    assert entries[1]["outgrown_at_faces"] == size and entries[1]["gallery"] == "staff"
    assert REGISTRY.get_sample_value(f"{OUTGROWN._name}", {"gallery": "staff"}) == pytest.approx((size + 1) / size)
    missed = REGISTRY.get_sample_value(f"{MISS_RATE._name}", {"gallery": "staff"})
    assert missed is not None and missed > 0.35
    growth.forget_all_but({"others"})
    assert REGISTRY.get_sample_value(f"{OUTGROWN._name}", {"gallery": "staff"}) is None


def test_a_policy_that_allows_more_false_names_lets_the_gallery_grow() -> None:
    growth = Growth(Settings(miss_rate_limit=0.35))
    strict = growth.judge(made(false_positive_identification_rate=1e-4), MODEL, 10)
    lenient = growth.judge(made(false_positive_identification_rate=0.1), MODEL, 10)
    assert (strict.fit, lenient.fit) == (Fit.OUTGROWN, Fit.FITS)


def test_without_pairs_of_one_person_nothing_is_claimed() -> None:
    limits = Growth(Settings()).judge(made("quiet"), replace(MODEL, genuine=None), 5)
    assert (limits.fit, limits.expected_miss_rate, limits.outgrown_at_faces) == (Fit.UNKNOWN, None, None)
    assert "convoy-train calibrate" in limits.unknown_because
    uncalibrated = Growth(Settings()).judge(made("quiet"), replace(MODEL, curve=None), 5)
    assert "is not calibrated" in uncalibrated.unknown_because
    assert REGISTRY.get_sample_value(f"{MISS_RATE._name}", {"gallery": "quiet"}) is None


async def test_registering_and_searching_say_how_the_gallery_grows() -> None:
    shows = {f"{i}".encode(): [embedded(axis(i))] for i in range(3)}
    faces = FakeFaceSource(shows, replace(FACE_MODEL, genuine=Genuine(MissCurve((0.0, 0.4), (0.1, 0.9)), 9, "x")))
    house = UseCases(MemoryStore(), faces)
    await house.galleries.create(NewGallery("staff"))
    with capture_logs() as entries:
        for i in range(3):
            await house.register(f"p{i}", f"{i}".encode())
    assert "gallery is outgrown" in logged(entries)
    status = await house.galleries.status("staff", verify=False)
    assert status.limits is not None and status.limits.fit is Fit.OUTGROWN
    expected = judge_size(CURVE, faces.face_model.genuine, 3, 0.05, 0.2)  # type: ignore[arg-type]
    assert status.limits.expected_miss_rate == pytest.approx(expected.expected_miss_rate)
    faces.face_model = replace(faces.face_model, model=replace(faces.face_model.model, sha256="ef" * 32))
    status = await house.galleries.status("staff", verify=False)
    assert status.limits is not None and status.limits.fit is Fit.UNKNOWN
    assert "was made by" in status.limits.unknown_because
