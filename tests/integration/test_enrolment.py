"""What Register takes for a person's photo, with the published models, from the command's side to the answer."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from convoy.client import Convoy
from convoy.core.errors import FailedPrecondition
from convoy.testing.fleet import fleet
from PIL import Image

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def convoy(root: Path) -> Iterator[Convoy]:
    with fleet(root / "exported_models") as one:
        one.convoy.create_gallery("desk")
        yield one.convoy


def refuse(convoy: Convoy, picture: np.ndarray | Image.Image, **options: bool) -> str:
    """The reason for which a photo is refused."""
    with pytest.raises(FailedPrecondition) as refused:
        convoy.register("desk", "nobody", [picture], use_largest_face=True, **options)
    return refused.value.reason


@pytest.mark.parametrize("picture", ["clock", "cell", "gravel", "brick", "coins"])
def test_what_is_no_face_is_not_registered(convoy: Convoy, picture: str) -> None:
    pixels = np.asarray(getattr(skimage.data, picture)())
    shown = np.stack([pixels] * 3, axis=2) if pixels.ndim == 2 else pixels
    assert refuse(convoy, shown) in ("NO_FACE", "NOT_A_FACE")


def test_a_person_is_registered_upright_and_not_on_her_head(convoy: Convoy, data: Path) -> None:
    photo = Image.open(data / "samples" / "people" / "person_a" / "3.jpg").convert("RGB")
    assert refuse(convoy, photo.rotate(180)) == "TURNED"
    assert refuse(convoy, photo.rotate(60, expand=True, fillcolor=(110, 110, 110))) in ("TURNED", "NOT_A_FACE")
    assert convoy.register("desk", "anna", [photo]).results[0].accepted
    other = data / "samples" / "people" / "person_a" / "2.jpg"
    assert convoy.identify("desk", other).faces[0].person is not None
    lying = Image.open(other).convert("RGB").rotate(90, expand=True)
    assert convoy.identify("desk", lying, any_angle=True).faces[0].person is not None


def test_likeness_is_high_for_people_and_low_for_a_part_of_a_face(convoy: Convoy, data: Path) -> None:
    (face, *_) = convoy.detect_faces(data / "samples" / "people" / "joe_biden" / "1.jpg")
    assert face.quality.likeness is not None and face.quality.likeness > 0.9
