"""Shows answers in notebooks: a table, and under it the picture with the answer drawn in.

A notebook asks an answer for HTML. The answer knows its picture only there: elsewhere keeping it would cost memory.
"""

import base64
import io
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from html import escape
from importlib import import_module
from typing import Any

from convoy.client.answers.answer import Answer

WIDEST_PX = 800
MOST_ROWS = 100
_PICTURE = "_picture"


def remember_picture(answer: object, picture: object) -> None:
    """Let an answer know the picture that it is about, if this is a notebook."""
    if isinstance(answer, Answer) and picture is not None and "IPython" in sys.modules:
        object.__setattr__(answer, _PICTURE, picture)  # Answers are frozen; this is no fact of theirs.


def html_of(answer: Answer) -> str:
    """The answer as a table, and its picture where it is known and an image library is there."""
    return f"<div><b>{escape(type(answer).__name__)}</b>{_table(answer)}{_drawn(answer)}</div>"


def _table(answer: Answer) -> str:
    parts = {field.name: getattr(answer, field.name) for field in fields(answer)}  # type: ignore[arg-type]
    rows = next((list(part) for part in parts.values() if _is_list(part)), None)
    plain = {name: value for name, value in parts.items() if not _is_list(part := value) and not _is_large(part)}
    said = "".join(f"<tr><th>{escape(name)}</th><td>{escape(_text(value))}</td></tr>" for name, value in plain.items())
    html = f"<table>{said}</table>"
    if not rows:
        return html
    columns = [dict(_columns(row)) for row in rows[:MOST_ROWS]]
    head = "".join(f"<th>{escape(name)}</th>" for name in columns[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row.values()) + "</tr>" for row in columns)
    more = f"<p>and {len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}{html}"


def _columns(row: object) -> Iterator[tuple[str, str]]:
    for field in fields(row):  # type: ignore[arg-type]
        value = getattr(row, field.name)
        if not _is_large(value):
            yield field.name, ", ".join(map(_text, value)) if isinstance(value, tuple) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None:
        return ""
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        named = ((field.name, getattr(value, field.name)) for field in fields(value))
        return " ".join(f"{name}={_text(one)}" for name, one in named if not _is_large(one))
    return str(value)


def _is_list(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and is_dataclass(value[0])


def _is_large(value: object) -> bool:
    return hasattr(value, "__array__")


def _drawn(answer: Answer) -> str:
    picture = getattr(answer, _PICTURE, None)
    if picture is None:
        return ""
    try:
        pixels = _draw(answer, picture)
    except Exception:  # The table stands for itself; a picture that is gone, or no image library, takes nothing away.
        return ""
    return "" if pixels is None else f'<img alt="" src="data:image/png;base64,{_png(pixels)}">'


def _draw(answer: Answer, picture: Any) -> Any:
    # Drawing is built on the client; only here, in a notebook, the client looks the other way.
    drawing, decoding = import_module("convoy.drawing.drawing"), import_module("convoy.core.pictures.decoding")
    from convoy.client.pictures import write_image

    kinds = {
        "Classification": drawing.draw_classification,
        "Detections": drawing.draw_detections,
        "Segmentation": drawing.draw_segmentation,
        "Transformed": drawing.draw_transformed,
        "Explanation": drawing.draw_explanation,
        "ExplainedDetection": drawing.draw_explanation,
        "Faces": lambda image, found: drawing.draw_faces(image, found.faces),
        "Identification": drawing.draw_identification,
    }
    draw = kinds.get(type(answer).__name__)
    if draw is None:
        return None
    image = write_image(*picture)
    if image.WhichOneof("content") == "encoded":
        return draw(decoding.decode_image(image.encoded).image_rgb, answer)
    raw = image.raw
    formats = {1: "RGB8", 2: "BGR8", 3: "GRAY8", 4: "RGB32F"}
    return draw(decoding.decode_raw(raw.data, raw.width, raw.height, formats[raw.format]).image_rgb, answer)


def _png(pixels: Any) -> str:
    from PIL import Image

    image, file = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((WIDEST_PX, WIDEST_PX))
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
