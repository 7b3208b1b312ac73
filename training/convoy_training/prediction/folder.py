"""From a folder of pictures to a folder of answers: tables, COCO JSON or masks, and the pictures with what is said."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task
from convoy.core.pictures.decoding import Picture, decode_image
from convoy.core.pictures.formats import SUFFIXES
from convoy.drawing.colours import colour_of
from convoy.imaging.task import luminance
from tqdm import tqdm

from convoy_training.ahead import make_ahead
from convoy_training.data.archive import is_hidden
from convoy_training.data.photo import DECODERS
from convoy_training.errors import RecipeError
from convoy_training.prediction.answering import Answer, Answerer
from convoy_training.prediction.drawing import draw
from convoy_training.prediction.writing import write_coco, write_json, write_mask, write_png, write_table, write_whole

TABLE, JSON, COCO, DRAWN, MASKS, MADE = "predictions.csv", "predictions.json", "coco.json", "drawn", "masks", "made"
DECODED_AHEAD = 4


@dataclass
class Predictions:
    """Answers by the name of the picture, and why the others could not be read."""

    answers: dict[str, Answer] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def list_pictures(place: Path) -> dict[str, Path]:
    """The pictures below a folder by their names relative to it, or the one file; raises RecipeError without any."""
    if place.is_file():
        return {place.name: place}
    if not place.is_dir():
        raise RecipeError(f"{place} does not exist")
    found = {}
    for folder, inside, files in os.walk(place, followlinks=False):
        inside[:] = sorted(name for name in inside if not is_hidden(name))
        for file in sorted(files):
            name = (Path(folder) / file).relative_to(place).as_posix()
            if file.lower().endswith(SUFFIXES) and not is_hidden(file):
                found[name] = Path(folder) / file
    if not found:
        raise RecipeError(f"{place} holds no picture: their names end in {', '.join(SUFFIXES)}")
    return found


def check_place(out: Path, pictures: dict[str, Path], force: bool) -> None:
    """Raises RecipeError if the folder for the answers holds anything, unless `force`, or if pictures lie in it."""
    if out.exists() and not out.is_dir():
        raise RecipeError(f"--out {out}: this is a file, and answers are a folder")
    if any(out.resolve() in picture.resolve().parents for picture in pictures.values()):
        raise RecipeError(f"--out {out}: the pictures lie in it; choose another folder")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise RecipeError(f"--out {out}: it is not empty; choose another folder, or write over it with --force")


def find_holes(model: Answerer, pictures: dict[str, Path], holes: Path | None) -> dict[str, Path]:
    """The mask of each picture, by the picture's name: a file of the same name, whatever its ending.

    Raises RecipeError if the model needs masks and one is missing, or takes none.
    """
    if (holes is not None) != model.needs_holes:
        told = "needs masks: name their folder by --masks" if holes is None else "takes no masks: leave --masks out"
        raise RecipeError(f"{model.name} {told}")
    if holes is None:
        return {}
    found = list_pictures(holes)
    if len(pictures) == 1 and len(found) == 1 and holes.is_file():
        return dict(zip(pictures, found.values(), strict=True))
    stems = {str(PurePosixPath(name).with_suffix("")): file for name, file in found.items()}
    wanted = {name: str(PurePosixPath(name).with_suffix("")) for name in pictures}
    if missing := [name for name, stem in wanted.items() if stem not in stems]:
        raise RecipeError(f"--masks {holes}: there is no mask for {missing[0]}, nor for {len(missing) - 1} more")
    return {name: stems[stem] for name, stem in wanted.items()}


def predict_folder(
    model: Answerer, pictures: dict[str, Path], out: Path, *, drawn: bool = True, holes: Path | None = None
) -> Predictions:
    """Answers every picture and writes the answers into `out`; one that cannot be read is told of, and left out.

    drawn: whether the pictures are written too, with what is said drawn into them. Masks and pictures that a model
    makes are always written. holes: the masks of a model that fills in.
    """
    masks = find_holes(model, pictures, holes)
    said = Predictions()
    names = name_pictures(pictures)
    palette = choose_palette(model)
    read = make_ahead(lambda name: _read(pictures[name]), pictures, DECODERS, DECODED_AHEAD)
    bar = tqdm(
        zip(pictures, read, strict=True), desc="predicting", total=len(pictures), disable=not sys.stderr.isatty()
    )
    for name, picture in bar:
        if isinstance(picture, str):
            said.broken[name] = picture
            continue
        try:
            answer = model.answer(picture, luminance(_open(masks[name]).image_rgb) if masks else None)
        except ConvoyError as error:
            said.broken[name] = error.message
            continue
        if answer.made is not None:
            write_png(out / MADE / f"{names[name]}.png", answer.made)
        if answer.mask is not None:
            write_mask(out / MASKS / f"{names[name]}.png", answer.mask, palette)
        if drawn:
            _write_picture(out / DRAWN / f"{names[name]}.jpg", draw(picture.image_rgb, answer))
        said.answers[name] = Answer(answer.width, answer.height, answer.found)
    write_table(out / TABLE, said.answers, said.broken)
    write_json(out / JSON, model.name, said.answers, said.broken)
    if model.task is Task.DETECTION:
        write_coco(out / COCO, said.answers, model.manifest.labels)
    return said


def name_pictures(names: dict[str, Path]) -> dict[str, str]:
    """What each picture is called in the answers: without its ending, unless another one then had the same name."""
    stems = {name: str(PurePosixPath(name).with_suffix("")) for name in names}
    counts = Counter(stem.casefold() for stem in stems.values())
    return {name: stem if counts[stem.casefold()] == 1 else name for name, stem in stems.items()}


def choose_palette(model: Answerer) -> np.ndarray:
    """The colours uint8 [256,3] of class ids in masks: those of the model, or those that drawings have."""
    palette = np.array([colour_of(index) for index in range(256)], np.uint8)
    own = getattr(model.manifest, "palette", None) or []
    palette[: len(own)] = np.array(own, np.uint8).reshape(-1, 3)
    return palette


def _open(file: Path) -> Picture:
    return decode_image(file.read_bytes())


def _read(file: Path) -> Picture | str:
    try:
        return _open(file)
    except ConvoyError as error:
        return error.message
    except OSError as error:
        return error.strerror or str(error)


def _write_picture(file: Path, image_rgb: np.ndarray) -> None:
    done, data = cv2.imencode(".jpg", image_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    if not done:
        raise RecipeError(f"{file} cannot be written as JPEG: --no-drawn leaves the pictures out")
    write_whole(file, data.tobytes())
