"""The page of the Python API: the methods of Convoy, and what docstrings say of answers and errors.

The class makes its methods of plans, so only the finished class knows their signatures. mkdocstrings reads the rest.
"""

import inspect
import re

from convoy.client import answers
from convoy.client.blocking import Convoy
from convoy.client.pictures import Picture

HEAD = """# Python API

What `from convoy import Convoy` gives. `AsyncConvoy` has the same methods for asyncio. [The client](../client.md)
shows how to use them. A `Picture` is a path, the bytes of a file, an open binary file, an array or a Pillow image.

::: convoy.client.blocking.Convoy
    options: {members: false}

## Methods

"""
MODULES = [name for name in re.findall(r"^(\w+)\.py", answers.__doc__ or "", re.MULTILINE) if name != "decoding"]
PICTURE = re.sub(r"\b[a-z_]+(\.[a-z_]+)*\.(?=[A-Z])", "", inspect.formatannotation(Picture))
WIDE = 90
TAIL = "".join(f"::: convoy.client.answers.{name}\n\n" for name in MODULES) + "::: convoy.core.errors\n"


def write_client() -> str:
    """The page, as Markdown."""
    methods = [name for name in vars(Convoy) if not name.startswith("_")]
    return HEAD + "".join(write_method(name) for name in methods) + TAIL


def write_method(name: str) -> str:
    """A method: its signature and its docstring."""
    method = getattr(Convoy, name)
    arguments = [one for one in inspect.signature(method).parameters.values() if one.name != "self"]
    lines, named = [], False
    for one in arguments:
        if one.kind is one.KEYWORD_ONLY and not named:
            lines, named = [*lines, "*"], True
        lines.append(write_argument(one))
    call = ", ".join(lines)
    if len(call) > WIDE:
        call = "\n    " + ",\n    ".join(lines) + ",\n"
    text = inspect.cleandoc(method.__doc__ or "").replace("<", "&lt;")
    return f"### {name}\n\n```python\nconvoy.{name}({call})\n```\n\n{text}\n\n"


def write_argument(one: inspect.Parameter) -> str:
    """An argument with its type and default."""
    kind = re.sub(r"\b[a-z_]+(\.[a-z_]+)*\.(?=~?[A-Z])", "", inspect.formatannotation(one.annotation))
    default = "" if one.default is one.empty else f" = {one.default!r}"
    return f"{one.name}: {kind.replace(PICTURE, 'Picture').replace('~', '')}{default}"
