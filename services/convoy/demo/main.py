"""Runs the demo from the start of the fleet to its end."""

import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from convoy.core.settings import read_settings
from convoy.demo.photos import PACKAGED, Cast, packaged_cast, read_cast
from convoy.demo.pulled_models import pull_set
from convoy.demo.recognition import tell_recognition
from convoy.demo.sheet import make_sheet
from convoy.demo.stage import Stage
from convoy.demo.vision import tell_vision
from convoy.drawing.picture_files import write_picture
from convoy.fleet import Fleet, free_ports

OVERVIEW = "story.png"
TIMEOUT_S = 60.0


def tell(
    photos: Path | None, out: Path, fpir: float | None = None, model_set: str = "", brought: Path | None = None
) -> bool:
    """Start a fleet, tell the story, stop the fleet. Returns whether every answer was right.

    photos: folder of your own people; out: folder for annotated pictures; fpir: highest chance to name a stranger;
    model_set: a set of the catalogue that answers in place of the published models; brought: where its files lie.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    cast = read_cast(photos) if photos else packaged_cast()
    with tempfile.TemporaryDirectory(prefix="convoy-demo-") as data:
        pulled = pull_set(model_set, brought, Path(data) / "models", console) if model_set else None
        models = (*([pulled.folder] if pulled else []), *read_settings().repositories)
        console.print("Starting an embedded Redis and the six services on this machine ...")
        fleet = Fleet(Path(data), models, free_ports(), metrics=False, model_set=model_set)
        with fleet, fleet.client(TIMEOUT_S) as convoy:
            console.print("All are healthy: " + ", ".join(f"{name} {at}" for name, at in fleet.addresses.items()))
            stage = Stage(convoy, out, console)
            _tell_all(stage, cast, photos, fpir, pulled.models if pulled else {})
    console.print("All services have answered what they had and stopped.")
    return _conclude(stage)


def _tell_all(stage: Stage, cast: Cast, photos: Path | None, fpir: float | None, pulled: Mapping[str, str]) -> None:
    stage.begin("Who is this?", _about(photos))
    tell_recognition(stage, cast, fpir)
    stage.begin("What is in the picture?", _about_vision(pulled))
    tell_vision(stage, pulled)


def _about_vision(pulled: Mapping[str, str]) -> str:
    if pulled:
        return "Pulled networks answer here: " + ", ".join(f"{model} ({place})" for place, model in pulled.items())
    return (
        "The published detector finds blood cells, and no Python package carries a picture of some. So the detection "
        "service looks for faces here, with the face detector as its model."
    )


def _about(photos: Path | None) -> str:
    credits = "\n".join(f"  {name}: {note}" for name, (_, _, note) in PACKAGED.items())
    if photos is None:
        return (
            "Pictures from Python packages:\n" + credits + "\nThey hold one photo of each person, so the second "
            "pictures are altered copies of the first: turned, mirrored, darker, smaller, compressed."
        )
    return f"People from {photos}; the last photo of each is the probe. Pictures of the second chapter:\n" + credits


def _conclude(stage: Stage) -> bool:
    write_picture(stage.out / OVERVIEW, make_sheet(stage.scenes))
    stage.console.rule("[bold]The end", align="left")
    stage.console.print(
        f"{len(stage.scenes)} annotated pictures are in {stage.out}, all in one: {stage.out / OVERVIEW}"
    )
    wrong = [answer for answer in stage.answers if not answer.is_right]
    for one in wrong:
        stage.console.print(f"[red]wrong[/]: {escape(f'{one.question} {one.picture}: {one.answer}')}")
    total = len(stage.answers)
    stage.console.print(f"{total - len(wrong)} of {total} answers were right.")
    return not wrong


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
