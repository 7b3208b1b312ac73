"""Reads what exporters write into a graph's metadata: the import uses it, or compares it with the user's words."""

import ast
import re
from collections.abc import Mapping

from onnx import ModelProto

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Task

ULTRALYTICS_TASKS: dict[str, Task | None] = {
    "detect": Task.DETECTION,
    "classify": Task.CLASSIFICATION,
    "segment": Task.DETECTION,
    "pose": Task.DETECTION,
    "obb": None,
}
"""The exporter's word for the task -> Convoy's, or None if Convoy has no such task."""
BODY_POINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""COCO's keypoints of a person; left is the person's own left."""
LICENCE_KEYS = ("license", "licence")
FILLERS = {"license", "licence", "licensed", "the", "version", "v", "under", "only", "or", "later"}
RESTRICTING = {"nc", "nd", "sa", "non", "noncommercial", "commercial", "research", "lesser", "affero"}


def read_metadata(model: ModelProto) -> dict[str, str]:
    """Read keys and values, unchanged."""
    return {entry.key: entry.value for entry in model.metadata_props}


def class_names(facts: Mapping[str, str]) -> list[str]:
    """Read Ultralytics' `names`, or RapidAI's `character`, which has one per line; empty if there are none."""
    if "character" in facts:
        lines = [line.strip() for line in facts["character"].splitlines()]
        return [line for line in lines if line]
    try:
        names = ast.literal_eval(facts.get("names", ""))
        return [str(names[index]) for index in range(len(names))]
    except (SyntaxError, ValueError, KeyError, TypeError):
        return []


def input_size(facts: Mapping[str, str]) -> tuple[int, int] | None:
    """Read Ultralytics' `imgsz`: (height, width) in pixels."""
    try:
        size = ast.literal_eval(facts.get("imgsz", ""))
    except (SyntaxError, ValueError):
        return None
    sides = [size, size] if isinstance(size, int) else list(size) if isinstance(size, list | tuple) else []
    fits = len(sides) == 2 and all(isinstance(side, int) and side > 0 for side in sides)
    return (sides[0], sides[1]) if fits else None


def point_names(facts: Mapping[str, str]) -> list[str]:
    """The points of Ultralytics' pose networks: `kpt_names`, or COCO's if `kpt_shape` says that there are 17."""
    try:
        names, shape = (ast.literal_eval(facts.get(key, "None")) for key in ("kpt_names", "kpt_shape"))
    except (SyntaxError, ValueError):
        return []
    if isinstance(names, dict) and names:
        names = next(iter(names.values()))  # of the first class
    if isinstance(names, list | tuple):
        return [str(name) for name in names]
    body = isinstance(shape, list | tuple) and len(shape) == 2 and shape[0] == len(BODY_POINTS)
    return list(BODY_POINTS) if body else []


def is_ultralytics_classifier(facts: Mapping[str, str]) -> bool:
    """Whether Ultralytics wrote the file: its pixels are 0 to 1, not normalised as for ImageNet."""
    return facts.get("task") == "classify" and "names" in facts


def check_task(facts: Mapping[str, str], task: Task, file: object) -> None:
    """Raise InvalidArgument(BAD_NETWORK) if the file names another task."""
    word = facts.get("task", "")
    if word not in ULTRALYTICS_TASKS or "names" not in facts:
        return
    known = ULTRALYTICS_TASKS[word]
    if known is None:
        problem = f"its metadata says that its task is `{word}`, which Convoy lacks; export a network for `detect`"
        raise InvalidArgument("BAD_NETWORK", f"{file}: {problem}", {"file": file})
    if known is not task and task in (Task.DETECTION, Task.CLASSIFICATION, Task.SEGMENTATION):
        problem = f"its metadata says that its task is `{word}`; import it with --task {known}"
        raise InvalidArgument("BAD_NETWORK", f"{file}: {problem}", {"file": file})


def check_licence(facts: Mapping[str, str], licence: str, file: object) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) if the file names other terms that the user does not mention."""
    told = next((facts[key] for key in LICENCE_KEYS if facts.get(key, "").strip()), "")
    if not contradicts(told, licence):
        return
    problem = f'its metadata says that its licence is "{told}", but --licence says "{licence}"'
    cure = f'name the file\'s, or write both if you have other terms, as in "{licence} instead of {told.split()[0]}"'
    raise InvalidArgument("BAD_ARGUMENT", f"{file}: {problem}; {cure}")


def contradicts(theirs: str, ours: str) -> bool:
    """Whether one's own words for a licence leave out terms that the other's words name."""
    told, said = _terms(theirs), _terms(ours)
    same = said <= told and not (told - said) & RESTRICTING
    return not (not told or told <= said or (said and same))


def _terms(text: str) -> set[str]:
    """Return the words that tell licences apart: AGPL and 3.0 in "AGPL-3.0 License (https://…)"."""
    without_links = re.sub(r"\([^)]*\)|https?://\S+", " ", text.lower())
    return set(re.findall(r"[a-z]+|\d+(?:\.\d+)*", without_links)) - FILLERS
