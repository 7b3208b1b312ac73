"""Measures how many upright portraits `Register` refuses as TURNED, and how many turned ones it accepts.

It places portraits of one list of people in frames of 960x1280, with the face at 40 % of the height, turns them by
quarters, and runs the service's own FacePipeline and the rule of registration. A face that `any_angle` finds is right
if its cosine to the same face in the upright frame is high enough.

    CONVOY_DATA=... python -m benchmarks.face_turns --portraits 60 --people people_val.txt
"""

import argparse
import os
from pathlib import Path

import numpy as np
import uvloop
from convoy.core.manifest import Task
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import Pixels
from convoy.core.settings import Settings
from convoy.faces.pipeline import FacePipeline, JudgedFace
from convoy.faces.task import Options, cosine
from convoy.recognition.domain.found_faces import Box, FoundFace, Point, Quality
from convoy.recognition.use_cases.photo_rules import SURELY_UPRIGHT, UPRIGHT_DEGREES

from benchmarks.conditions import write_result
from benchmarks.face_size import look, read_portraits, show

LIMITS = (0.75, SURELY_UPRIGHT, 0.9)
ANY_ANGLE = Options(any_angle=True)


def measure_roll(face: JudgedFace) -> float:
    """Measure a face's roll as registration does, from its landmarks."""
    points = tuple(Point(x, y) for x, y in face.detected.landmarks_xy.tolist())
    return FoundFace(Box(0, 0, 1, 1), 1.0, Quality(1, 1, 1, 1, 1), points).roll_degrees


async def measure(models: Path, portraits: list[Pixels]) -> dict[str, object]:
    """For each turn, count the portraits, those accepted at each limit of doubt, and those found right at any angle."""
    settings = Settings(models=models, threads=1, model_poll_s=0)
    names = {"embedder": settings.face_embedder, "detector": settings.face_detector}
    host = ModelHost(settings, (Task.FACE_DETECTION, Task.FACE_EMBEDDING), names)
    await host.start()
    pipeline = FacePipeline(host)
    rows: dict[int, list[list[bool]]] = {quarters: [] for quarters in range(4)}
    try:
        for portrait in portraits:
            height, width = portrait.shape[:2]
            frame, _ = show(portrait, np.array([0, 0, width, height], np.float32), 0.8)
            whole = await look(pipeline, frame)
            if not whole:
                continue
            for quarters, seen in rows.items():
                turned = np.ascontiguousarray(np.rot90(frame, quarters))
                upright, around = await look(pipeline, turned), await look(pipeline, turned, ANY_ANGLE)
                seen.append(_judge(upright, around, whole[0]))
    finally:
        await host.stop()
    columns = [*(f"accepted_{limit}" for limit in LIMITS), "right_at_any_angle"]
    table = {90 * by: dict(zip(columns, np.sum(seen, axis=0).tolist(), strict=True)) for by, seen in rows.items()}
    return {"portraits": len(rows[0]), "turns": table}


def _judge(upright: list[JudgedFace], around: list[JudgedFace], whole: JudgedFace) -> list[bool]:
    is_turned = not around or measure_roll(around[0]) > UPRIGHT_DEGREES
    accepted = [bool(upright) and (upright[0].detected.score >= limit or not is_turned) for limit in LIMITS]
    assert whole.embedding is not None
    return [
        *accepted,
        any(one.embedding is not None and cosine(one.embedding, whole.embedding) >= 0.5 for one in around),
    ]


def main() -> None:
    """Measure, print, and write results/face_turns.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("exported_models"))
    parser.add_argument("--portraits", type=int, default=60)
    parser.add_argument("--people", default="people_val.txt", help="list of people; people_train.txt to choose a limit")
    options = parser.parse_args()
    portraits = read_portraits(Path(os.environ["CONVOY_DATA"]), options.portraits, options.people)
    numbers = uvloop.run(measure(options.models, portraits))
    print(numbers["portraits"], "portraits")
    for degrees, row in numbers["turns"].items():  # type: ignore[attr-defined]
        print(f"{degrees:3}", row)
    command = f"python -m benchmarks.face_turns --portraits {options.portraits} --people {options.people}"
    print(write_result("face_turns", command, numbers))


if __name__ == "__main__":
    main()
