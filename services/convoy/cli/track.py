"""convoy track: which objects a film shows, and when."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson, print_json, print_table, shown
from convoy.cli.vision import PANEL, Model
from convoy.core.errors import ConvoyError, InvalidArgument

if TYPE_CHECKING:
    from convoy.client.films import Frame


@dataclass
class Track:
    """One object of the film. score: the best of its pictures, 0 to 1."""

    track_id: int
    label: str
    first_s: float
    last_s: float
    pictures: int = 0
    score: float = 0.0


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(politely(track))


def track(
    film: Annotated[Path, typer.Argument(help="A film that FFmpeg reads, such as MP4, MOV, MKV or WebM.")],
    faces: Annotated[bool, typer.Option("--faces", help="Follow faces instead of objects.")] = False,
    model: Model = "",
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="A track begins at this score; by default the model's own."),
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only objects with this label; you may repeat it.")] = None,
    draw: Annotated[Path | None, typer.Option(help="Write the film with its tracks drawn into it here.")] = None,
    mot: Annotated[
        Path | None, typer.Option(help="Write the boxes here as MOTChallenge has them, for other tools.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --draw and --mot replace files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow the objects of a film: each keeps its number while it is seen, and through 30 pictures without it.

    All numbers begin anew after a cut. It needs the extra film.

    Example: **convoy track street.mp4 --label car --draw tracks.mp4**
    """
    from convoy.client import plans

    if faces and (model or label):
        raise InvalidArgument("BAD_ARGUMENT", "--faces takes neither --model nor --label")
    _check_targets(film, draw, mot, force)

    def ask(frame: "Frame") -> Any:
        if faces:
            return plans.detect_faces(frame.image_rgb, detection_threshold=threshold)
        return plans.detect(frame.image_rgb, model=model, detection_threshold=threshold, labels=label or ())

    tracks: dict[int, Track] = {}
    pictures, ended_early = 0, None
    with ExitStack() as stack:
        writer = _Writers(stack, film, draw, mot)
        try:
            for frame, answer in _answers(film, ask):
                pictures += 1
                _note(tracks, frame, answer)
                writer.write(frame, answer)
        except InvalidArgument as error:
            if error.reason != "FILM_ENDS_EARLY":
                raise
            ended_early = error
    found = sorted(tracks.values(), key=lambda one: one.track_id)
    if as_json:
        print_json({"film": shown(film), "pictures": pictures, "tracks": found})
    else:
        rows = [(one.track_id, one.label, *_times(one), one.pictures, f"{one.score:.2f}") for one in found]
        columns = ("track ", "label", "from s ", "to s ", "pictures ", "score ")
        print_table(f"{shown(film)}: {pictures} pictures", columns, rows, "nothing found")
    if ended_early is not None:
        raise ended_early


def _answers(film: Path, ask: Any) -> Iterator[tuple["Frame", Any]]:
    """Each picture of the film with its answer. An error of a picture ends it."""
    from collections import deque

    from convoy.client import Convoy, plans
    from convoy.client.films import read_film

    waiting: deque[Frame] = deque()  # Those that the stream has sent ahead of its answers: more if they are small.

    def requests() -> Iterator[Any]:
        for frame in read_film(film):
            waiting.append(frame)
            yield plans.tracked(ask(frame), after_cut=frame.after_cut)

    with Convoy() as convoy:
        for answer in convoy.stream(requests()):
            frame = waiting.popleft()
            if isinstance(answer, ConvoyError):
                raise answer
            yield frame, answer


def _note(tracks: dict[int, Track], frame: "Frame", answer: Any) -> None:
    for one in answer:
        if one.track_id:
            kept = tracks.setdefault(
                one.track_id, Track(one.track_id, getattr(one, "label", "face"), frame.time_s, frame.time_s)
            )
            kept.last_s, kept.pictures = frame.time_s, kept.pictures + 1
            kept.score = max(kept.score, _score(one))


def _score(one: Any) -> float:
    return float(one.score if hasattr(one, "score") else one.detection_score)


def _times(one: Track) -> tuple[str, str]:
    return f"{one.first_s:.2f}", f"{one.last_s:.2f}"


def _check_targets(film: Path, draw: Path | None, mot: Path | None, force: bool) -> None:
    from convoy.drawing.films import check_film_name

    if draw is not None:
        check_film_name(draw)
    for target in (draw, mot):
        if target is None:
            continue
        if target.exists() and film.exists() and target.samefile(film):
            raise InvalidArgument("WOULD_REPLACE", f"'{shown(target)}' is the film that you gave; name another place")
        if target.is_dir() or (target.exists() and not force):
            hint = "name another place, or give --force"
            raise InvalidArgument("WOULD_REPLACE", f"'{shown(target)}' is there already", hint=hint)


class _Writers:
    """Writes the drawn film and the boxes, as far as they are asked for."""

    def __init__(self, stack: ExitStack, film: Path, draw: Path | None, mot: Path | None) -> None:
        from convoy.client.films import frame_rate
        from convoy.drawing.films import FilmWriter

        self._film = stack.enter_context(FilmWriter(draw, frame_rate(film))) if draw else None
        self._mot = stack.enter_context(mot.open("w")) if mot else None

    def write(self, frame: "Frame", answer: Any) -> None:
        if self._film is not None:
            from convoy.drawing.drawing import draw_tracks

            self._film.write(draw_tracks(frame.image_rgb, answer))
        if self._mot is not None:
            for one in answer:
                if one.track_id:
                    # MOTChallenge counts pixels from 1, so that the picture's corner is 1, 1.
                    box = (one.box.x_min + 1, one.box.y_min + 1, one.box.width, one.box.height)
                    edges = ",".join(f"{edge:.2f}" for edge in box)
                    self._mot.write(f"{frame.number + 1},{one.track_id},{edges},{_score(one):.4f},-1,-1,-1\n")
