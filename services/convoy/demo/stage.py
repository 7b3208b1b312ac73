"""Asks the questions of the demo, judges the answers, and keeps a record of both."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convoy.client import Convoy
from convoy.client.answers.common import ImageRGB
from convoy.core.errors import FailedPrecondition, NotFound
from convoy.drawing.picture_files import write_picture

Result = TypeVar("Result")
Verdict = tuple[str, bool]
"""An answer in words, and whether it is right."""


@dataclass(frozen=True)
class Answer:
    """One question: what was asked of which picture, what came back, and whether that was right."""

    question: str
    picture: str
    answer: str
    is_right: bool


@dataclass(frozen=True)
class Heard(Generic[Result]):
    """What came back, None for a refusal, and whether that was right."""

    result: Result | None
    is_right: bool


@dataclass(frozen=True)
class Scene:
    """An annotated picture with a caption, for the overview."""

    image_rgb: ImageRGB
    caption: str
    is_right: bool


@dataclass
class Stage:
    """What a chapter of the story works with."""

    convoy: Convoy
    out: Path
    console: Console = field(default_factory=Console)
    answers: list[Answer] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)

    def begin(self, title: str, text: str) -> None:
        """Open a chapter."""
        self.console.rule(f"[bold]{title}", align="left")
        self.console.print(text + "\n")

    def ask(
        self, question: str, picture: str, call: Callable[[], Result], judge: Callable[[Result], Verdict]
    ) -> "Heard[Result]":
        """Ask, judge and record. A refusal, such as for a picture without a face, counts as a wrong answer."""
        try:
            result = call()
        except (FailedPrecondition, NotFound) as error:
            self.answers.append(Answer(question, picture, f"{error.reason}: {error}", False))
            return Heard(None, False)
        text, is_right = judge(result)
        self.answers.append(Answer(question, picture, text, is_right))
        return Heard(result, is_right)

    def show(self, image_rgb: ImageRGB, caption: str, is_right: bool) -> None:
        """Write an annotated picture, and keep it for the overview."""
        self.scenes.append(Scene(image_rgb, caption, is_right))
        words = re.findall(r"\w+", caption.partition(" (")[0].lower())
        write_picture(self.out / f"{len(self.scenes):02d}-{'-'.join(words)}.png", image_rgb)

    def end(self, first: int) -> None:
        """Close a chapter: print its answers, from number `first` on."""
        table = Table("asked", "picture", "came back", "right?", box=box.SIMPLE_HEAD)
        for one in self.answers[first:]:
            mark = "[green]yes" if one.is_right else "[bold red]NO"
            table.add_row(escape(one.question), escape(one.picture), escape(one.answer), mark)
        self.console.print(table)
