"""Face data: broken label files are refused by name and line, and no held-out person is trained on."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from convoy_training.data import identities, source, wider
from convoy_training.errors import LabelError
from convoy_training.recipe_file import load_recipe

JPEG = simplejpeg.encode_jpeg(np.full((160, 160, 3), 90, np.uint8))
LINE = "62 72 98 72 80 90 65 108 95 108"
FILES = {
    "lfw/Ann/Ann_0001.jpg": JPEG,
    "lfw/Ann/Ann_0002.jpg": JPEG,
    "lfw/Bob/Bob_0001.jpg": JPEG,
    "lfw/Cy/Cy_0001.jpg": JPEG,
    "landmarks.txt": "\n".join(
        f"{n}/{n}_{i:04d}.jpg {LINE}" for n, i in [("Ann", 1), ("Ann", 2), ("Bob", 1), ("Cy", 1)]
    ),
    "people_train.txt": "Cy 1",
    "people_val.txt": "Ann 2\nBob 1",
    "pairs_val.txt": "1 1\nAnn 1 2\nAnn 2 Bob 1",
}


@pytest.fixture
def write_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONVOY_DATA", str(tmp_path))
    cached = (identities.load_faces, identities.load_pairs, source.read_tar)
    for function in cached:
        function.cache_clear()

    def write(changes: dict[str, str], name: str = "lfw_160_A.tar") -> None:
        with tarfile.open(tmp_path / name, "w") as archive:
            for member, content in {**FILES, **changes}.items():
                data = content if isinstance(content, bytes) else content.encode()
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    yield write
    for function in cached:
        function.cache_clear()


def test_faces_and_pairs_point_at_the_right_crops(write_archive) -> None:
    write_archive({})
    faces, pairs = identities.load_pairs("lfw")
    assert faces.people == ("lfw/Ann", "lfw/Bob") and faces.crops.shape == (3, 112, 112, 3)
    assert [faces.files[i] for i in pairs.first] == ["lfw/Ann/Ann_0001.jpg", "lfw/Ann/Ann_0002.jpg"]
    assert [faces.files[i] for i in pairs.second] == ["lfw/Ann/Ann_0002.jpg", "lfw/Bob/Bob_0001.jpg"]
    assert pairs.same.tolist() == [True, False] and pairs.fold.tolist() == [0, 0]


def test_excluded_files_and_people_beyond_a_number_are_left_out(write_archive) -> None:
    write_archive({"people_train.txt": "Ann 2\nBob 1\nCy 1", "people_val.txt": ""})
    load = identities.load_faces
    everyone = load(("lfw",), "train")
    assert everyone.people == ("lfw/Ann", "lfw/Bob", "lfw/Cy") and len(everyone.crops) == 4
    without = load(("lfw",), "train", 0, identities.Selection(exclude=frozenset({"lfw/Ann/Ann_0001.jpg"})))
    assert without.files == ("lfw/Ann/Ann_0002.jpg", *everyone.files[2:]) and without.people == everyone.people
    assert len(load(("lfw",), "train", 0, identities.Selection(images=1)).files) == 3
    one, two = (set(load(("lfw",), "train", 0, identities.Selection(people=n)).people) for n in (1, 2))
    assert len(one) == 1 and len(two) == 2 and one < two


@pytest.mark.parametrize(
    ("file", "content", "where"),
    [
        ("pairs_val.txt", "1 1\nAnn 1 2\nAnn 2 Cy 1", "pairs_val.txt:3"),
        ("pairs_val.txt", "1 1\nAnn 1 2", "pairs_val.txt:1"),
        ("landmarks.txt", f"Ann/Ann_0001.jpg {LINE}\nBob/Bob_0001.jpg 1 2 3", "landmarks.txt:2"),
    ],
)
def test_a_broken_label_file_is_named_with_its_line(write_archive, file: str, content: str, where: str) -> None:
    write_archive({file: content})
    with pytest.raises(LabelError, match=where):
        identities.load_pairs("lfw")


@pytest.mark.data
def test_no_held_out_person_or_picture_is_trained_on() -> None:
    for dataset in ("lfw", "celeba"):
        assert not identities.read_people(dataset, "train") & identities.read_people(dataset, "validation")
    held_out = identities.read_people("celeba", "validation")
    assert not held_out & identities.read_people("celeba_lowres", "train")
    names = {picture.photo.name for picture in wider.load_split("train")}
    assert len(names) == 991 and not names & {picture.photo.name for picture in wider.load_split("validation")}
    people = {picture.photo.name.split("/")[1] for picture in wider.load_close_ups()}
    assert not people & (held_out | identities.read_people("lfw", "validation"))


@pytest.mark.data
@pytest.mark.parametrize("name", ["face-detector-nano", "face-detector-small"])
def test_the_published_detectors_still_see_what_they_were_trained_on(root: Path, name: str) -> None:
    task, config = load_recipe(root / f"exported_models/{name}/1/recipe.yaml", ("batch_size=6",))
    torch.manual_seed(5)
    images, boxes, landmarks, kinds = next(iter(task.build_data(config).train(0)))
    # Drawn before a detector could be given other data: the mean of each canvas, the sums of what lies on it.
    near = {"abs": 0.2}
    assert images.float().mean((1, 2, 3)).tolist() == pytest.approx([181.0, 39.8, 89.7, 123.7, 81.6, 56.9], **near)
    assert boxes.sum((1, 2)).tolist() == pytest.approx([344.7, 393.6, 2080.4, 856.8, 1469.9, 335.5], **near)
    points = landmarks.nansum((1, 2, 3)).tolist()
    assert points == pytest.approx([899.5, 1006.3, 5389.9, 2122.0, 0.0, 867.3], **near)
    assert [(row == 1).sum().item() for row in kinds] == [1, 1, 4, 3, 2, 1] and (kinds == 2).sum() == 1
