"""Calls that demand a living person."""

from dataclasses import replace

import pytest
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.recognition.domain.found_faces import EmbeddedFace
from convoy.recognition.domain.pictures import Picture
from convoy.recognition.domain.searches import Comparison, PersonKey, Search
from convoy.recognition.domain.thresholds import Decision

from tests.fake_face_source import axis, embedded
from tests.use_cases import UseCases


def judged(number: int, liveness: float | None) -> EmbeddedFace:
    one = embedded(axis(number))
    return replace(one, face=replace(one.face, liveness=liveness))


async def test_a_print_is_not_registered_where_a_living_person_is_demanded(house: UseCases) -> None:
    house.faces.shows |= {b"print": [judged(1, 0.2)], b"person": [judged(2, 0.9)]}
    with pytest.raises(FailedPrecondition, match=r"liveness 0\.20, at least 0\.50") as refused:
        await house.register("ada", b"print", min_liveness=0.5)
    assert refused.value.reason == "SPOOF_SUSPECTED"
    assert (await house.register("ada", b"person", min_liveness=0.9)).results[0].refusal is None
    assert (await house.register("bob", b"print")).results[0].refusal is None


async def test_without_a_network_the_demand_is_refused_and_says_what_to_do(house: UseCases) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await house.register("ada", b"1", min_liveness=0.0)
    assert refused.value.reason == "LIVENESS_NOT_CONFIGURED"
    assert "CONVOY_FACE_LIVENESS" in refused.value.hint
    await house.register("ada", b"1")
    with pytest.raises(FailedPrecondition) as refused:
        await house.identification.identify(Search("staff", Picture(encoded=b"1"), min_liveness=0.5))
    assert refused.value.reason == "LIVENESS_NOT_CONFIGURED"


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
async def test_a_demand_out_of_range_is_a_bad_argument(house: UseCases, value: float) -> None:
    with pytest.raises(InvalidArgument, match="min_liveness"):
        await house.register("ada", b"1", min_liveness=value)
    with pytest.raises(InvalidArgument, match="min_liveness"):
        await house.identification.identify(Search("staff", Picture(encoded=b"1"), min_liveness=value))


async def test_a_print_of_somebody_is_nobody_and_takes_nobodys_name(house: UseCases) -> None:
    """The print claims the person as well; without the demand it is the same face, and the two contend for the name."""
    await house.register("ada", b"1")
    house.faces.shows[b"both"] = [judged(1, 0.1), judged(1, 0.9)]
    search = Search("staff", Picture(encoded=b"both"), min_liveness=0.5)
    spoof, person = (await house.identification.identify(search)).faces
    assert (spoof.decision, spoof.spoof_suspected, list(spoof.matches)) == (Decision.NO_MATCH, True, [])
    assert (person.decision, person.spoof_suspected, person.matches[0].person_id) == (Decision.MATCH, False, "ada")


async def test_a_print_is_not_verified(house: UseCases) -> None:
    await house.register("ada", b"1")
    house.faces.shows |= {b"print": [judged(1, 0.2)], b"person": [judged(1, 0.9)]}
    for reference in (PersonKey("staff", "ada"), Picture(encoded=b"1")):
        with pytest.raises(FailedPrecondition) as refused:
            await house.identification.verify(Comparison(Picture(encoded=b"print"), reference, min_liveness=0.5))
        assert refused.value.reason == "SPOOF_SUSPECTED"
        found = await house.identification.verify(Comparison(Picture(encoded=b"person"), reference, min_liveness=0.5))
        assert found.is_match
