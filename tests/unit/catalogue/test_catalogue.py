"""The bundled catalogue is whole, and a company's own is checked before anything is fetched."""

from pathlib import Path

import pytest
from convoy.catalogue.addresses import PackagedFile, parse_address
from convoy.catalogue.catalogue import bundled_catalogue, open_catalogue
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task

GOOD = """
name = "pets"
task = "classification"
title = "Pets"
accuracy = "not stated"
source = "somewhere"
labels = ["cat", "dog"]
licences = { code = "MIT", weights = "MIT", data = "made up", permissive = true }
file = { name = "pets.onnx", sha256 = "DIGEST", bytes = 3, addresses = ["https://example.org/pets.onnx"] }
""".replace("DIGEST", "a" * 64)


def test_every_bundled_entry_has_its_labels_and_addresses() -> None:
    catalogue = bundled_catalogue()
    counts = {name: len(catalogue.labels_of(entry)) for name, entry in catalogue.entries.items()}
    assert counts["mobilenet-v2"] == counts["resnet-50"] == 1000 and counts["yolox-nano"] == 80
    assert counts["deeplab-v3"] == 21 and counts["yunet"] == counts["sface"] == 0
    assert len({entry.file.sha256 for entry in catalogue.entries.values()}) == len(catalogue.entries)


def test_the_starter_set_makes_every_service_useful_and_needs_no_converter() -> None:
    catalogue = bundled_catalogue()
    chosen = {service: catalogue.entries[name] for service, name in catalogue.sets["starter"].models.items()}
    assert {service: entry.task for service, entry in chosen.items()} == {
        "classification": Task.CLASSIFICATION,
        "detection": Task.DETECTION,
        "segmentation": Task.SEGMENTATION,
        "face_detector": Task.FACE_DETECTION,
        "face_embedder": Task.FACE_EMBEDDING,
    }
    assert all(entry.file.name.endswith(".onnx") and entry.licences.permissive for entry in chosen.values())


def test_terms_that_forbid_something_are_never_called_permissive() -> None:
    strict = ("agpl", "gpl", "non-commercial", "noncommercial", "research", "by-nc", "not stated")
    for entry in bundled_catalogue().entries.values():
        terms = f"{entry.licences.code} {entry.licences.weights}".lower()
        assert not (entry.licences.permissive and any(word in terms for word in strict)), entry.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not TOML"),
        (GOOD.replace('title = "Pets"\n', ""), "title: Field required"),
        (GOOD + 'adress = "x"\n', "adress: Extra inputs"),
        (GOOD.replace("a" * 64, "abc"), "file.sha256"),
        (GOOD.replace("https://example.org", "ftp://example.org"), "is not an address"),
        (GOOD.replace("https://example.org", "http://example.org"), "is not an address"),
        (GOOD.replace('labels = ["cat", "dog"]\n', ""), "needs them"),
        (GOOD.replace('"pets"', '"../pets"'), "name"),
        ('[model]\nname = "x"', "two brackets"),
        ('[[set]]\nname = "all"\ntitle = "All"\nmodels = { classification = "pets" }', "not there: pets"),
    ],
)
def test_a_faulty_catalogue_is_refused_with_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ConvoyError) as caught:
        open_catalogue(str(tmp_path))
    assert caught.value.reason in ("BAD_CATALOGUE", "BAD_ADDRESS") and said in caught.value.message


def test_one_name_stands_once(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(ConvoyError, match="twice"):
        open_catalogue(str(tmp_path))


def test_labels_lie_beside_the_entry_and_nowhere_else(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (own / "names.txt").write_text("cat\ndog\n")
    for labels, good in (("names.txt", True), ("../secret.txt", False), ("missing.txt", False)):
        (own / "pets.toml").write_text(GOOD.replace('["cat", "dog"]', f'"{labels}"'))
        catalogue = open_catalogue(str(own))
        if good:
            assert catalogue.labels_of(catalogue.entries["pets"]) == ["cat", "dog"]
        else:
            with pytest.raises(ConvoyError, match="there are no labels"):
                catalogue.labels_of(catalogue.entries["pets"])


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ConvoyError, match=r"no 'yolo9000'.*starter.*yolox-nano"):
        bundled_catalogue().find("yolo9000")


def test_addresses_of_packages_are_taken_apart() -> None:
    assert parse_address("pypi:my-pkg==1.0/a/b.onnx") == PackagedFile("pypi", "my-pkg", "1.0", "a/b.onnx")
    assert parse_address("npm:@org/pkg@1.0.2/a.onnx") == PackagedFile("npm", "@org/pkg", "1.0.2", "a.onnx")


@pytest.mark.parametrize(
    "address",
    [
        "pypi:pkg/a",
        "pypi:pkg==1.0/../a",
        "pypi:-r==1/x",
        "npm:pkg/a",
        "npm:--x@1/a",
        "file:///etc/passwd",
        "",
        "https:///x",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConvoyError) as caught:
        parse_address(address)
    assert caught.value.reason == "BAD_ADDRESS"
