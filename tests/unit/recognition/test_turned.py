"""Photos whose face lies or stands on its head."""

import math
from collections.abc import Sequence

import pytest
from convoy.core.errors import FailedPrecondition
from convoy.recognition.domain.face_source import FaceModel
from convoy.recognition.domain.found_faces import Box, EmbeddedFace, EmbeddedFaces, FoundFace, Point
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.records import Gallery

from tests.fake_face_source import GOOD, FakeFaceSource, axis
from tests.use_cases import UseCases

UPRIGHT = ((-10, -10), (10, -10), (0, 0), (-7, 10), (7, 10))


def face(number: int, score: float, degrees: float) -> EmbeddedFace:
    turn = complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    points = [complex(x, y) * turn for x, y in UPRIGHT]
    landmarks = tuple(Point(one.real, one.imag) for one in points)
    return EmbeddedFace(FoundFace(Box(0, 0, 100, 100), score, GOOD, landmarks), axis(number))


class Turnable(FakeFaceSource):
    """Finds other faces where it looks at any angle."""

    def __init__(self, upright: Sequence[EmbeddedFace], turned: Sequence[EmbeddedFace]) -> None:
        super().__init__({b"photo": upright})
        self.turned = turned

    async def embed(
        self, pictures: Sequence[Picture], options: DetectionOptions, gallery: Gallery | None = None
    ) -> tuple[FaceModel, list[EmbeddedFaces]]:
        model, [found] = await super().embed(pictures, options, gallery)
        return model, [EmbeddedFaces(tuple(self.turned), found.image_size, 1) if options.any_angle else found]


@pytest.mark.parametrize(("degrees", "roll"), [(0, 0), (30, 30), (-90, 90), (90, 90), (180, 180), (200, 160)])
def test_the_roll_is_read_off_eyes_and_mouth(degrees: float, roll: float) -> None:
    assert face(1, 0.9, degrees).face.roll_degrees == pytest.approx(roll)


@pytest.mark.parametrize("upright", [[], [face(2, 0.6, 0)]])
async def test_a_face_on_its_head_is_refused_and_taken_when_that_is_asked(
    house: UseCases, upright: list[EmbeddedFace]
) -> None:
    """The detector sees nothing upright, or an upright face where there is none."""
    house.registration._faces = Turnable(upright, [face(1, 0.9, 180)])
    with pytest.raises(FailedPrecondition, match="set any_angle") as refused:
        await house.register("ada", b"photo")
    assert refused.value.reason == "TURNED"
    answer = await house.register("ada", b"photo", any_angle=True)
    assert answer.results[0].refusal is None


async def test_a_sure_face_is_looked_at_once(house: UseCases) -> None:
    faces = house.registration._faces = Turnable([face(1, 0.9, 10)], [face(1, 0.9, 180)])
    assert (await house.register("ada", b"photo")).results[0].refusal is None
    assert len(faces.asked) == 1


async def test_a_face_in_doubt_that_is_upright_all_the_same_is_taken(house: UseCases) -> None:
    house.registration._faces = Turnable([face(1, 0.7, 10)], [face(1, 0.7, 10)])
    assert (await house.register("ada", b"photo")).results[0].refusal is None


async def test_no_face_at_any_angle_is_no_face(house: UseCases) -> None:
    house.registration._faces = Turnable([], [])
    with pytest.raises(FailedPrecondition) as refused:
        await house.register("ada", b"photo")
    assert refused.value.reason == "NO_FACE"


async def test_what_is_hardly_a_face_at_any_angle_is_no_turned_face(house: UseCases) -> None:
    house.registration._faces = Turnable([face(1, 0.55, 0)], [face(1, 0.6, 180)])
    with pytest.raises(FailedPrecondition) as refused:
        await house.register("ada", b"photo")
    assert refused.value.reason == "NOT_A_FACE"
