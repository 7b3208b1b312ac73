"""Wrong labels and near-duplicates are found in made-up faces, and the recipe leaves them out."""

from pathlib import Path

import numpy as np
import pytest
from convoy_training.cleaning import Limits, clean, find_duplicates, find_exclusions
from convoy_training.data import identities
from convoy_training.data.exclusions import read_exclusions, write_exclusions
from convoy_training.data.identities import Faces
from convoy_training.errors import LabelError, RecipeError

PEOPLE = 12
IMAGES = 5


@pytest.fixture
def clean_data() -> tuple[Faces, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(PEOPLE), IMAGES)
    vectors = random.normal(size=(PEOPLE, 64))[labels] + 0.5 * random.normal(size=(len(labels), 64))
    crops = np.stack([np.kron(random.integers(0, 256, (8, 8, 3)), np.ones((14, 14, 1))) for _ in labels])
    files = tuple(f"lfw/{label}/{row}.jpg" for row, label in enumerate(labels))
    people = tuple(f"lfw/{person}" for person in range(PEOPLE))
    return Faces(crops.astype(np.uint8), labels, people, files), unit(vectors)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def reasons(faces: Faces, vectors: np.ndarray) -> dict[str, str]:
    return {exclusion.file: exclusion.reason for exclusion in find_exclusions(faces, vectors)}


def test_clean_data_stays_whole(clean_data) -> None:
    assert reasons(*clean_data) == {}


def test_one_photo_under_two_names_goes_once(clean_data) -> None:
    faces, vectors = clean_data
    noise = np.random.default_rng(1).integers(-4, 5, faces.crops[0].shape)
    faces.crops[7] = np.clip(faces.crops[0] + noise, 0, 255)
    vectors[7] = vectors[0]
    (exclusion,) = find_exclusions(faces, vectors)
    assert (exclusion.file, exclusion.reason) == ("lfw/1/7.jpg", "duplicate")
    assert "lfw/0/0.jpg" in exclusion.detail


def test_the_copy_of_the_person_with_more_images_stays(clean_data) -> None:
    faces, vectors = clean_data
    few = Faces(faces.crops, np.where(faces.labels == 0, 1, faces.labels), faces.people, faces.files)
    few.labels[0] = 0  # a person of one image, which is one of person 1's too
    faces.crops[3], vectors[3] = faces.crops[0], vectors[0]
    assert reasons(few, vectors)["lfw/0/0.jpg"] == "duplicate"


def test_a_person_under_two_names_keeps_one(clean_data) -> None:
    faces, vectors = clean_data
    random = np.random.default_rng(2)
    same = unit(vectors[0] * 8 + 0.5 * random.normal(size=(IMAGES, 64)))
    vectors[:IMAGES], vectors[IMAGES : 2 * IMAGES] = same, same[::-1]
    found = reasons(faces, vectors)
    assert set(found.values()) == {"same_person"} and {file.split("/")[1] for file in found} == {"1"}


def test_a_stranger_among_ones_photos_is_found(clean_data) -> None:
    faces, vectors = clean_data
    vectors[12] = -vectors[12]
    assert reasons(faces, vectors) == {"lfw/2/12.jpg": "far"}
    assert not find_exclusions(faces, vectors, Limits(far=-1.0))


def test_a_list_is_read_as_it_was_written(clean_data, tmp_path: Path) -> None:
    faces, vectors = clean_data
    vectors[12] = -vectors[12]
    write_exclusions(tmp_path / "list.csv", find_exclusions(faces, vectors))
    assert read_exclusions(tmp_path / "list.csv") == {"lfw/2/12.jpg"}
    (tmp_path / "list.csv").write_text("file,reason,detail\nnonsense,far,\n")
    with pytest.raises(LabelError, match=r"list\.csv:2"):
        read_exclusions(tmp_path / "list.csv")


@pytest.mark.data
def test_the_two_known_duplicates_of_lfw_are_found() -> None:
    """Among sixty others; the data's own notes name them."""
    files = identities.list_files(("lfw",), "train")
    people = ("Bart_Hendricks", "Ricky_Ray", "Carlos_Beltran", "Raul_Ibanez")
    wanted = {*files[:60], *(f"lfw/{person}/{person}_0001.jpg" for person in people)}
    selection = identities.Selection(exclude=frozenset(files) - wanted)
    faces = identities.load_faces(("lfw",), "train", 0, selection)
    alike = np.ones((len(faces.files), 1), np.float32)
    found = [*find_duplicates(faces, alike, np.ones(len(faces.files), bool), Limits())]
    assert {exclusion.file.split("/")[1] for exclusion in found} == {"Ricky_Ray", "Raul_Ibanez"}
    assert all("_0001.jpg" in exclusion.detail for exclusion in found)


def test_only_face_embedders_are_asked_for_wrong_labels() -> None:
    with pytest.raises(RecipeError, match="does detection; protocols and `clean` are for face embedders"):
        clean(Path(__file__).resolve().parents[3] / "exported_models" / "bccd-yolo" / "1")
