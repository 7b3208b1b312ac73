"""Writes answers as tables for people and programs: CSV, JSON, COCO JSON, masks as PNG."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convoy_training.prediction.answering import Answer

COLUMNS = ("picture", "label", "score", "x_min", "y_min", "x_max", "y_max", "problem")


def write_table(file: Path, answers: Mapping[str, Answer], broken: Mapping[str, str]) -> None:
    """A row for each label, box or class of a mask; a picture about which nothing is said has an empty row."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for name, answer in answers.items():
        for one in answer.found:
            edges = [f"{edge:.2f}" for edge in one.box_xyxy] if one.box_xyxy else [""] * 4
            rows.writerow([name, one.label, f"{one.score:.6f}", *edges, ""])
        if not answer.found:
            rows.writerow([name, *[""] * 7])
    rows.writerows([name, *[""] * 6, problem] for name, problem in broken.items())
    write_whole(file, text.getvalue().encode("utf-8"))


def write_json(file: Path, model: str, answers: Mapping[str, Answer], broken: Mapping[str, str]) -> None:
    """One entry for each picture, with all that is said of it."""
    pictures = [
        {
            "picture": name,
            "width": answer.width,
            "height": answer.height,
            "found": [
                {"label": one.label, "score": round(one.score, 6)}
                | ({"box_xyxy": [round(edge, 2) for edge in one.box_xyxy]} if one.box_xyxy else {})
                for one in answer.found
            ],
        }
        for name, answer in answers.items()
    ]
    problems = [{"picture": name, "problem": problem} for name, problem in broken.items()]
    _write_json(file, {"model": model, "pictures": pictures, "not_read": problems})


def write_coco(file: Path, answers: Mapping[str, Answer], labels: Sequence[str]) -> None:
    """The boxes as COCO's `annotations`, each with its score; ids count from 1, categories as the model's labels."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, (name, answer) in enumerate(answers.items(), 1):
        images.append({"id": number, "file_name": name, "width": answer.width, "height": answer.height})
        for one in answer.found:
            assert one.box_xyxy is not None
            x_min, y_min, x_max, y_max = one.box_xyxy
            box = [round(edge, 2) for edge in (x_min, y_min, x_max - x_min, y_max - y_min)]
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": one.index + 1, "bbox": box}
            area = round(box[2] * box[3], 2)
            annotations.append({**annotation, "area": area, "iscrowd": 0, "score": round(one.score, 6)})
    categories = [{"id": number, "name": name} for number, name in enumerate(labels, 1)]
    _write_json(file, {"images": images, "annotations": annotations, "categories": categories})


def write_mask(file: Path, mask: NDArray[np.uint8], palette: NDArray[np.uint8]) -> None:
    """Class ids [H,W] as PNG with the colours [256,3] that viewers show them in."""
    image = Image.fromarray(mask)
    image.putpalette(palette.tobytes())
    data = io.BytesIO()
    image.save(data, "PNG")
    write_whole(file, data.getvalue())


def write_png(file: Path, picture: NDArray[np.uint8]) -> None:
    """A picture [H,W,3] or grey [H,W] as PNG."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    write_whole(file, data.getvalue())


def write_whole(file: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_bytes(data)
    os.replace(partial, file)


def _write_json(file: Path, document: object) -> None:
    write_whole(file, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
