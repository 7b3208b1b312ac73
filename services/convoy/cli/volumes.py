"""convoy segment-volume: the class of every pixel in a stack of slices."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson, print_json, print_table, shown
from convoy.cli.vision import PANEL, Model
from convoy.core.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from convoy.client.pictures import Picture

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".webp", ".jp2")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("segment-volume", rich_help_panel=PANEL)(politely(segment_volume))


def segment_volume(
    stack: Annotated[
        Path, typer.Argument(help="A folder with a picture for each slice, in the order of their names; or a TIFF.")
    ],
    model: Model = "",
    masks: Annotated[
        Path | None,
        typer.Option(help="Write the mask of each slice into this folder, as grey PNGs of class indices: 0000.png."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --masks replace files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say for every pixel of every slice of a volume which class it belongs to.

    Example: **convoy segment-volume stack.tif --model membranes-3d --masks out/**
    """
    from convoy.client import Convoy
    from convoy.drawing.picture_files import write_picture

    slices = _Slices(stack)
    targets = [masks / f"{number:04}.png" for number in range(len(slices))] if masks else []
    if taken := [target for target in targets if target.exists() and not force]:
        message = f"'{shown(taken[0])}' is there already"
        raise InvalidArgument("WOULD_REPLACE", message, hint="name another place, or give --force")
    answers: list[Any] = []
    with Convoy() as convoy:
        for number, answer in enumerate(convoy.segment_volume(slices, model=model)):
            if masks:
                write_picture(targets[number], answer.mask, may_replace=force)
            answers.append({"slice": number, "regions": answer.regions, "model": answer.model})
    if as_json:
        print_json(answers)
        return
    rows = [(one["slice"], region.label, f"{region.area:.1%}") for one in answers for region in one["regions"]]
    print_table(shown(stack), ("slice ", "label", "area "), rows)


class _Slices:
    """The slices of a folder or of a TIFF of several pages, one in memory at a time."""

    def __init__(self, stack: Path) -> None:
        self._stack = stack
        if stack.is_dir():
            self._files = sorted(file for file in stack.iterdir() if file.suffix.lower() in SUFFIXES)
            self._count = len(self._files)
        elif stack.is_file():
            self._count = self._pages()
        else:
            raise NotFound("NO_PHOTO", f"there is no '{shown(stack)}'")
        if not self._count:
            raise InvalidArgument("BAD_VOLUME", f"'{shown(stack)}' has no slice")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> "Iterator[Picture]":
        if self._stack.is_dir():
            yield from self._files
            return
        import numpy as np
        from PIL import Image

        with Image.open(self._stack) as pages:
            for number in range(self._count):
                pages.seek(number)
                yield np.asarray(pages.convert("RGB"))

    def _pages(self) -> int:
        from PIL import Image

        try:
            with Image.open(self._stack) as pages:
                return int(getattr(pages, "n_frames", 1))
        except OSError as error:
            raise InvalidArgument("NOT_AN_IMAGE", f"'{shown(self._stack)}' is no picture: {error}") from None
