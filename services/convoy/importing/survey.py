"""Tries each usual way to prepare pixels on the bundled picture.

A graph does not say how it wants its pixels. If the user does not say so either, the layout's usual way is a guess, and
the network's answers for the bundled picture are the evidence.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Task
from convoy.core.pictures.decoding import Picture
from convoy.importing.adapters.adapter import Adapter, Misfit
from convoy.importing.adapters.plausibility import overlap
from convoy.importing.draft import draft_manifest
from convoy.importing.inspection import Inspection
from convoy.importing.pictures import FACE_BOX, PERSON_BOX, photograph
from convoy.importing.preprocessing import PRESETS, Preprocessing
from convoy.importing.request import read_preprocessing, usual_preset
from convoy.importing.saying import Saying, place_picture, say

HARDLY, SURE = 0.25, 0.6
"""Scores: below the first, the guess is doubtful; from the second on, another way is believed."""
LEAST_OVERLAP = 0.4
LEAST_SHARE = 0.1
NEARLY_TENSORFLOW = ("arcface", "scrfd", "minus-127")
"""Presets that give nearly the same answers as tensorflow: the survey tries them only if they are the guess."""
FEW = 10
"""A detector that finds more objects than this in a portrait finds anything anywhere."""
PERSON, FACE = "person", "face"


@dataclass(frozen=True)
class Finding:
    """What the network says with one preset.

    doubted: its answer has neither the person nor her face. sure: she is the surest of a few objects. Both are False if
    the network knows neither people nor faces.
    """

    preset: str
    says: str
    doubted: bool = False
    sure: bool = False


def guesses(inspection: Inspection) -> bool:
    """Whether the import must guess how to prepare pixels."""
    request = inspection.request
    said = (request.preprocess, request.scale, request.mean, request.std, request.bgr)
    unsaid = not request.settled and all(one is None for one in said)
    return unsaid and request.task is not Task.FACE_EMBEDDING


def has_preset(inspection: Inspection) -> bool:
    """Whether a preset alone says how to prepare pixels, so that it can stand beside the others."""
    request = inspection.request
    numbers = (request.scale, request.mean, request.std, request.bgr)
    return request.preprocess is not None and all(one is None for one in numbers)


@lru_cache(maxsize=1)
def survey(inspection: Inspection) -> tuple[Finding, ...]:
    """Make a finding for each preset, the one that was said or guessed first."""
    adapter, _ = inspection.choose()
    guess = inspection.request.preprocess or usual_preset(adapter, inspection.network)
    others = [name for name in PRESETS if name != guess and _differs(name, guess, inspection)]
    return tuple(_look(inspection, adapter, name) for name in [guess, *others])


def check_guess(inspection: Inspection) -> tuple[str, ...]:
    """Note how pixels are prepared, if that is a guess.

    Raises InvalidArgument(BAD_ARGUMENT) if other presets see the person or the face in the bundled picture and the
    guess does not: then the guess is wrong.
    """
    adapter, _ = inspection.choose()
    if not guesses(inspection):
        return _kept(inspection, adapter)
    guess = usual_preset(adapter, inspection.network)
    first = _look(inspection, adapter, guess)
    if not first.doubted:
        return (f"pixels are prepared by `{guess}`, as usual for {adapter.name} (--preprocess decides)",)
    better = [finding for finding in survey(inspection) if finding.sure]
    if not better:
        makes = inspection.request.task is Task.PICTURE_TO_PICTURE
        seen = "it gives hardly that picture" if makes else "it finds nobody in a picture of a person"
        return (f"pixels are prepared by `{guess}`, as usual for {adapter.name}, but {seen} (--preprocess decides)",)
    told = "; ".join(f"`{finding.preset}`: {finding.says}" for finding in better)
    finds = "gives of" if inspection.request.task is Task.PICTURE_TO_PICTURE else "finds in"
    problem = f"with the pixels that are usual for {adapter.name}, `{guess}`, it {finds} a picture of a person: "
    raise InvalidArgument(
        "BAD_ARGUMENT", f"{inspection.request.network}: {problem}{first.says}. Others see her ({told}); "
        "choose the one that it was trained with by --preprocess"
    )  # fmt: skip


def _kept(inspection: Inspection, adapter: Adapter) -> tuple[str, ...]:
    """Note what the adapter's preset keeps if the user names some numbers and no preset."""
    request = inspection.request
    said = {"scale": request.scale, "mean": request.mean, "std": request.std}
    left = [name for name, value in said.items() if value is None]
    usual = PRESETS[adapter.preprocess]
    kept = [name for name in left if getattr(usual, name) != getattr(Preprocessing(), name)]
    if request.preprocess is not None or len(left) == len(said) or not kept:
        return ()
    return (f"{' and '.join(kept)} stay as in `{adapter.preprocess}` (--preprocess raw starts without them)",)


def _look(inspection: Inspection, adapter: Adapter, preset: str) -> Finding:
    request = replace(inspection.request, preprocess=preset)
    how = read_preprocessing(request, adapter, inspection.network)
    try:
        saying = _ask(replace(inspection, request=request), adapter, how)
    except Misfit as misfit:
        return Finding(preset, f"does not fit: {misfit}", doubted=_knows(inspection))
    if saying.likeness is not None:
        return Finding(preset, str(saying), saying.likeness.is_doubted, saying.likeness.is_sure)
    if not _knows(inspection):
        return Finding(preset, str(saying))
    return Finding(preset, str(saying), not _sightings(saying), _is_sure(saying))


def _ask(inspection: Inspection, adapter: Adapter, how: Preprocessing) -> Saying:
    """Get the original file's answer for the bundled picture. Raises Misfit."""
    manifest = draft_manifest(inspection, adapter, how, "survey")
    manifest.thresholds.detection = HARDLY
    picture = Picture(photograph(), photograph().shape[1], photograph().shape[0])
    canvas, placement = place_picture(picture, manifest)
    height, width = canvas.shape[:2]
    probe = inspection.prober.look(how, [canvas])
    # The priors were chosen by where the face is in the bundled picture, which this probe does not tell.
    _, chosen = inspection.choose()
    choices = inspection.choices
    reading = adapter.read(probe, replace(choices, priors=choices.priors or chosen.priors or None))
    values = [probe.outputs[name] for name in reading.outputs]
    with np.errstate(all="ignore"):
        return say(adapter.decode(values, height, width, reading), placement, picture, manifest)


def _knows(inspection: Inspection) -> bool:
    """Whether the network has a label for what the bundled picture shows."""
    labels = {label.lower() for label in inspection.labels}
    return inspection.request.task is not Task.CLASSIFICATION and bool(labels & {PERSON, FACE})


def _sightings(saying: Saying) -> list[float]:
    """Return scores of the objects that are the person or her face, and 1 for a mask with a person in it."""
    height, width = photograph().shape[:2]
    sides = np.array([width, height, width, height], np.float64)
    truth = {PERSON: np.array(PERSON_BOX) * sides, FACE: np.array(FACE_BOX) * sides}
    found = [(one.label.lower(), one.score, np.array(one.box_xyxy, np.float64)) for one in saying.objects]
    found += [(FACE, one.score, np.asarray(one.box_xyxy, np.float64)) for one in saying.faces]
    scores = [score for label, score, box in found if label in truth and overlap(box, truth[label]) >= LEAST_OVERLAP]
    masks = [1.0 for one in saying.regions if one.label.lower() == PERSON and one.area >= LEAST_SHARE]
    return scores + masks


def _is_sure(saying: Saying) -> bool:
    """Whether the answer shows her clearly, and little else."""
    objects = len(saying.objects) + len(saying.faces)
    return objects <= FEW and max(_sightings(saying), default=0.0) >= SURE


def _differs(name: str, guess: str, inspection: Inspection) -> bool:
    """Whether two presets differ for this network: one that begins with its own normalisation takes raw pixels."""
    network = inspection.network
    if network.normalises_itself and not name.startswith("raw"):
        return False
    if network.channels == 1 and (PRESETS[name].bgr or len(set(PRESETS[name].mean)) > 1):
        return False
    return PRESETS[name] != PRESETS[guess] and name not in NEARLY_TENSORFLOW
