"""Measures what networks say of everyday photographs, through the services: classes, objects, pixels, and faces where
there are none.

The photographs are those of CONVOY_DATA/samples and some that scikit-image, scikit-learn and matplotlib bring;
everyday.toml says what they show. Without --pull the published models answer. With it, the entries and sets that you
name are pulled from --from (or downloaded), and the published models answer for what was not pulled.

    CONVOY_DATA=... python -m benchmarks.everyday
    CONVOY_DATA=... python -m benchmarks.everyday --pull starter --from FOLDER
"""

import argparse
import os
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from convoy.catalogue.catalogue import bundled_catalogue
from convoy.catalogue.pull import Pull, pull
from convoy.client import Convoy
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task
from convoy.core.model_sets import FIELDS
from convoy.core.settings import Settings
from convoy.testing import fleet

from benchmarks.conditions import write_result

TRUTH = Path(__file__).with_name("everyday.toml")
PUBLISHED = Path("exported_models")
LEAST_AREA = 0.005
"""A class of pixels counts from this share of the picture on."""
SETTING = {
    Task.CLASSIFICATION: "classification",
    Task.DETECTION: "detection",
    Task.SEGMENTATION: "segmentation",
    Task.FACE_DETECTION: "face_detector",
    Task.FACE_EMBEDDING: "face_embedder",
}


@dataclass
class Tally:
    """How many of all. wrong: which were not as they should be, for people to read."""

    count: int = 0
    all: int = 0
    wrong: tuple[str, ...] = ()

    def add(self, happened: bool, wanted: bool, told: str) -> None:
        """Count one, and note it if what happened is not what was wanted."""
        self.count, self.all = self.count + happened, self.all + 1
        self.wrong += () if happened is wanted else (told,)


def read_pictures() -> list[dict[str, Any]]:
    """Read the truth, with the path of each picture. Raises FileNotFoundError if one is missing."""
    pictures: list[dict[str, Any]] = tomllib.loads(TRUTH.read_text())["picture"]
    for one in pictures:
        one["path"] = _folder(one["from"]) / one["file"]
        if not one["path"].is_file():
            raise FileNotFoundError(one["path"])
    return pictures


def _folder(source: str) -> Path:
    if source == "samples":
        return Path(os.environ["CONVOY_DATA"]) / source
    spec = find_spec(source)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{source} brings some of the pictures; install it")
    return Path(spec.origin).parent


def measure(convoy: Convoy, pictures: list[dict[str, Any]]) -> dict[str, Tally]:
    """Ask the services about every picture. A kind that is not there counts against objects as invented."""
    names = ("class first", "class among five", "objects found", "objects invented", "pixels found", "faces invented")
    tallies = {name: Tally() for name in names}
    for one in pictures:
        path, name = one["path"], one["path"].name
        if "classes" in one:
            labels = [label.label for label in convoy.classify(path).labels[:5]]
            tallies["class first"].add(labels[0] in one["classes"], True, f"{name}: {labels[0]}")
            tallies["class among five"].add(
                bool(set(labels) & set(one["classes"])), True, f"{name}: {', '.join(labels)}"
            )
        found = {box.label for box in convoy.detect(path)}
        for kind in one.get("objects", ()):
            tallies["objects found"].add(kind in found, True, f"{name}: no {kind}")
        if "objects" not in one:
            tallies["objects invented"].add(bool(found), False, f"{name}: {', '.join(sorted(found))}")
        shown = {region.label for region in convoy.segment(path).regions if region.area >= LEAST_AREA}
        for kind in one.get("pixels", ()):
            tallies["pixels found"].add(kind in shown, True, f"{name}: no {kind}, but {', '.join(sorted(shown))}")
        if one.get("faces") == "none":
            faces = [f"{face.detection_score:.2f}" for face in convoy.detect_faces(path)]
            tallies["faces invented"].add(bool(faces), False, f"{name}: {', '.join(faces)}")
    return tallies


def pull_all(names: list[str], brought: Path | None, folder: Path, converter: str | None) -> dict[str, str]:
    """Pull entries and sets; return the model for each setting. What cannot be pulled is named and left out."""
    catalogue, chosen = bundled_catalogue(), {}
    for entry in (entry for name in names for entry in catalogue.find(name)):
        how = Pull(models=folder, brought=brought, converter=converter)
        try:
            pull(entry, catalogue, how)
        except ConvoyError as error:
            print(f"{entry.name}: {error.message}")
        else:
            chosen[FIELDS[SETTING[entry.task]]] = entry.name
    return chosen


def _show(tallies: dict[str, Tally]) -> Iterator[str]:
    for name, tally in tallies.items():
        yield f"{name:18} {tally.count:3} of {tally.all}  ({'; '.join(tally.wrong)})"


def main() -> None:
    """Measure, print, and write results/everyday_<set>.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pull", nargs="*", default=[], help="entries and sets of the catalogue; later ones win")
    parser.add_argument("--from", dest="brought", type=Path, help="the folder that has their files")
    parser.add_argument("--converter", help="the Python interpreter of the environment that converts .tflite")
    options = parser.parse_args()
    pictures = read_pictures()
    with tempfile.TemporaryDirectory() as folder:
        chosen = pull_all(options.pull, options.brought, Path(folder), options.converter)
        with fleet(models=f"{folder}:{PUBLISHED}", **chosen) as running:  # type: ignore[arg-type]
            tallies = measure(running.convoy, pictures)
    usual = {field: Settings.model_fields[field].default for field in FIELDS.values()}
    models = {field: chosen.get(field, name) for field, name in usual.items()}
    print("\n".join(_show(tallies)))
    given = [f"--pull {' '.join(options.pull)}"] * bool(options.pull) + ["--from FOLDER"] * bool(options.brought)
    numbers = {
        "pictures": len(pictures),
        "models": models,
        "counts": {name: {"count": one.count, "all": one.all, "wrong": one.wrong} for name, one in tallies.items()},
    }
    name = "everyday_" + ("_".join(options.pull).replace("-", "_") or "published")
    print(write_result(name, " ".join(["python -m benchmarks.everyday", *given]), numbers))


if __name__ == "__main__":
    main()
