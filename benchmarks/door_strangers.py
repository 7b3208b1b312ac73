"""Measures how often a stranger is named through the door of each other system, at the threshold that its clients use.

A gallery of LFW's validation people with one photo each, by the default policy; then one photo each of further
validation people who are not in it.

    CONVOY_DATA=... python -m benchmarks.door_strangers
"""

import argparse
import base64
import json
import tarfile
from collections import defaultdict
from pathlib import Path

from convoy.core.errors import ConvoyError
from convoy.core.settings import Settings

from benchmarks.conditions import write_result
from benchmarks.door_fleet import AMAZON, GALLERY, Asker, asking

MODELS = Path("exported_models")
COUNTED = {
    "CompreFace, similarity 0.5": "where the policy says who it is",
    "CompreFace, similarity 0.6 (Double Take)": "Double Take's default",
    "DeepStack, no min_confidence (0.67)": "DeepStack's default",
    "DeepStack, min_confidence 0.4 (CodeProject.AI)": "CodeProject.AI's default",
    "Rekognition, no FaceMatchThreshold (80)": "Rekognition's default",
}


def read_people(data: Path) -> dict[str, list[bytes]]:
    """The photos of LFW's validation people."""
    photos: dict[str, list[bytes]] = defaultdict(list)
    with tarfile.open(data / "lfw_160_A.tar") as archive:
        listed = archive.extractfile("people_val.txt")
        assert listed is not None
        wanted = {line.split()[0] for line in listed.read().decode().splitlines() if line.strip()}
        for member in archive:
            name = Path(member.name).parent.name
            file = archive.extractfile(member) if name in wanted and member.name.endswith(".jpg") else None
            if file is not None:
                photos[name].append(file.read())
    return dict(sorted(photos.items()))


def names_of(asker: Asker, photo: bytes) -> dict[str, bool] | None:
    """Whether each door names somebody; None where no face is found."""
    status, content = asker.form("/api/v1/recognition/recognize", "file", photo)
    if status != 200:
        return None
    best = max((s["similarity"] for f in json.loads(content)["result"] for s in f["subjects"]), default=0.0)
    said = [best >= 0.5, best >= 0.6]
    for query in ("", "?min_confidence=0.4"):
        _, content = asker.form(f"/v1/vision/face/recognize{query}", "image", photo)
        said.append(any(one["userid"] != "unknown" for one in json.loads(content)["predictions"]))
    fields = {"CollectionId": GALLERY, "Image": {"Bytes": base64.b64encode(photo).decode()}}
    _, content = asker.ask("/", json.dumps(fields).encode(), AMAZON, "SearchFacesByImage")
    said.append(bool(json.loads(content)["FaceMatches"]))
    return dict(zip(COUNTED, said, strict=True))


def main() -> None:
    """Measure, print, and write results/door_strangers.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--people", type=int, default=200, help="how many people the gallery holds")
    parser.add_argument("--strangers", type=int, default=500)
    chosen = parser.parse_args()
    people = list(read_people(chosen.data).items())
    known, strangers = people[: chosen.people], people[chosen.people : chosen.people + chosen.strangers]
    counts, searched, enrolled = dict.fromkeys(COUNTED, 0), 0, 0
    with asking(MODELS) as asker:
        for name, photos in known:
            try:
                asker.convoy.register(GALLERY, name, [photos[0]], use_largest_face=True)
                enrolled += 1
            except ConvoyError:
                continue
        for _, photos in strangers:
            said = names_of(asker, photos[0])
            if said is not None:
                searched += 1
                counts = {name: counts[name] + named for name, named in said.items()}
    rate = Settings().false_positive_identification_rate
    numbers = {"people enrolled": enrolled, "strangers searched": searched, "policy": rate, "strangers named": counts}
    print(json.dumps(numbers, indent=2))
    command = f"python -m benchmarks.door_strangers --people {chosen.people} --strangers {chosen.strangers}"
    write_result("door_strangers", command, numbers)


if __name__ == "__main__":
    main()
