"""What all commands on pictures share: ask about each, continue after a bad one, draw, print."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convoy.cli.failures import ExitCode, in_our_words, tell_failure
from convoy.cli.output import print_json, print_table, shown
from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError, InvalidArgument, NotFound, Unavailable

if TYPE_CHECKING:
    from convoy.client import Convoy
    from convoy.client.answers.common import ImageRGB

    Draw = Callable[[ImageRGB, Any], Any]
    Drawing = tuple[Path | None, Draw]
    """Where to write a drawing of the answer (None: nowhere), and the function that draws it."""

AT_ONCE = 4
BAR_FROM = 5
MOST_LABELS = 20
FILE = typer.Argument(help="Picture files (JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP, JPEG 2000).")
Photos = Annotated[list[Path], FILE]
DrawTo = Annotated[
    Path | None,
    typer.Option(
        "--draw", help="Write the picture with the answer drawn into it here; for several pictures, name a folder."
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Let --draw, --mask and --out replace files, though never a picture that you gave."),
]


AnyAngle = Annotated[
    bool,
    typer.Option(
        "--any-angle", help="Also find faces that lean, lie or stand on their head; takes up to ten times as long."
    ),
]
Detail = Annotated[
    bool, typer.Option("--detail", help="Also find small faces in large pictures; takes up to 60 times as long.")
]
MinSize = Annotated[int, typer.Option(min=0, help="Leave out faces narrower or lower than this many pixels.")]
MinLiveness = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="The lowest liveness; needs a network that judges it (CONVOY_FACE_LIVENESS)."),
]


@dataclass(frozen=True)
class Inquiry:
    """A question about a picture.

    ask: gets the answer; columns, rows: show the answer as a table; is_no: whether the exit code says no; no_reasons:
    errors that say no, as nobody is in a picture without a face; note: what to say of the answer on stderr. service:
    the one that is asked which labels a model knows, once an answer has little to say: no rows, or `is_unsure`.
    """

    ask: "Callable[[Convoy, Path], Any]"
    columns: Sequence[str]
    rows: Callable[[Any], list[Sequence[object]]]
    is_no: Callable[[Any], bool] = lambda answer: False
    no_reasons: frozenset[str] = frozenset()
    note: Callable[[Any], str] = lambda answer: ""
    service: ServiceName | None = None
    is_unsure: Callable[[Any], bool] = lambda answer: False


def drawn(draw: str) -> "Draw":
    """A function of convoy.drawing.drawing by its name, imported for the first picture: most commands draw none."""

    def on(image: "ImageRGB", answer: Any) -> Any:
        from convoy.drawing import drawing

        return getattr(drawing, draw)(image, answer)

    return on


def answer_all(photos: list[Path], inquiry: Inquiry, as_json: bool, force: bool = False, **drawings: "Drawing") -> None:
    """Ask about each picture, print and draw each answer as it comes, and exit with the most severe exit code.

    drawings: by their kind; a "mask" must be a lossless file. A name that no drawing can have, or that would replace a
    picture that was given, or without `force` any file, is refused before the first call. If a picture is missing or
    refused, or a drawing cannot be written, the others are still answered; a service that is away ends all.
    """
    targets = [
        (dict(zip(photos, drawing_paths(photos, target), strict=True)), kind, draw)
        for kind, (target, draw) in drawings.items()
        if target is not None
    ]
    if targets:
        _check_targets(photos, [(path, kind) for paths, kind, _ in targets for path in paths.values()], force)
    outcomes: list[tuple[Path, Any]] = []
    errors: list[tuple[Path, ConvoyError]] = []
    for photo, outcome in zip(photos, _ask(photos, inquiry, may_print=not as_json), strict=True):
        outcomes.append((photo, outcome))
        if isinstance(outcome, ConvoyError):
            errors.append((photo, outcome))
            continue
        failed = [one for paths, _, draw in targets for one in _draw(photo, paths[photo], outcome, draw, force)]
        errors += failed
        if as_json:
            continue
        print_table(shown(photo), inquiry.columns, inquiry.rows(outcome), "nothing found")
        for path in [paths[photo] for paths, _, _ in targets if paths[photo] not in dict(failed)]:
            typer.echo(f"convoy: wrote {shown(path)}", err=True)
    if as_json:
        print_json([_document(photo, outcome) for photo, outcome in outcomes])
    answers = [outcome for _, outcome in outcomes if not isinstance(outcome, ConvoyError)]
    for note in dict.fromkeys(filter(None, (*map(inquiry.note, answers), *_known_labels(answers, inquiry)))):
        typer.echo(f"convoy: {note}", err=True)
    codes = [tell_failure(error, shown(place)) for place, error in errors if not _is_no(error, inquiry)]
    for photo, error in errors:
        if _is_no(error, inquiry):
            tell_failure(error, shown(photo))
    if codes:
        raise typer.Exit(max(codes))
    if all(inquiry.is_no(answer) for answer in answers):
        raise typer.Exit(ExitCode.NO)


def _known_labels(answers: list[Any], inquiry: Inquiry) -> Iterator[str]:
    """Say which labels the models know whose answers have little to say; nothing if the service does not tell."""
    models = {answer.model for answer in answers if inquiry.service and _says_little(answer, inquiry)}
    if not models or inquiry.service is None:
        return
    from convoy.client import Convoy

    try:
        with Convoy() as convoy:
            known = {info.model: info.labels for info in convoy.list_models(inquiry.service)}
    except ConvoyError:  # The answer itself is there; a caller may lack the right to ask this.
        return
    for model in sorted(models, key=str):
        if labels := known.get(model):
            more = f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else ""
            yield f"{model} knows {', '.join(labels[:MOST_LABELS])}{more}, and nothing else"


def _says_little(answer: Any, inquiry: Inquiry) -> bool:
    return not inquiry.rows(answer) or inquiry.is_unsure(answer)


def _is_no(error: ConvoyError, inquiry: Inquiry) -> bool:
    return error.reason in inquiry.no_reasons


def _ask(photos: list[Path], inquiry: Inquiry, may_print: bool) -> Iterator[Any]:
    """Yield answers and errors in the order of the pictures, asking about several at once.

    may_print: the caller prints answers meanwhile, so that a bar would stand in their way on a terminal.
    """
    from convoy.client import Convoy

    def ask(photo: Path) -> Any:
        try:
            check_size(photo)
            return inquiry.ask(convoy, photo)
        except Unavailable:
            raise
        except ConvoyError as error:
            return error
        except OSError as error:
            return NotFound("NO_PHOTO", f"the file cannot be read: {error.strerror}")

    has_bar = len(photos) >= BAR_FROM and sys.stderr.isatty() and not (may_print and sys.stdout.isatty())
    pool = ThreadPoolExecutor(AT_ONCE)
    with Convoy() as convoy:
        answers = [pool.submit(ask, photo) for photo in photos]
        try:
            for answer in _with_bar(answers) if has_bar else answers:
                yield answer.result()
        finally:
            # After Ctrl-C, or when whoever reads has read enough, nobody needs the other answers. Nothing waits here
            # for calls under way: the client ends them when it closes.
            pool.shutdown(wait=False, cancel_futures=True)


def _with_bar(answers: Sequence[Future[Any]]) -> Iterable[Future[Any]]:
    """The answers, with a bar on standard error that moves as they are taken."""
    from rich.console import Console
    from rich.progress import track

    return track(answers, "asking", len(answers), console=Console(stderr=True), transient=True)


def _draw(photo: Path, path: Path, answer: Any, draw: "Draw", force: bool) -> Iterator[tuple[Path, ConvoyError]]:
    """Write a drawing; yield its path with the error if it cannot be written."""
    from convoy.drawing.picture_files import read_picture, write_picture

    try:
        write_picture(path, draw(read_picture(photo), answer), may_replace=force)
    except ConvoyError as error:
        yield path, error
    except OSError as error:
        reason = f"the picture could not be read again: {error.strerror or error}"
        yield path, InvalidArgument("NOT_WRITTEN", reason)


def _check_targets(photos: list[Path], targets: list[tuple[Path, str]], force: bool) -> None:
    """Raise InvalidArgument for a drawing that cannot be written, or that would replace what must stay."""
    from convoy.drawing.picture_files import check_picture_name

    given, taken = {_real(photo) for photo in photos}, set()
    for path, kind in targets:
        check_picture_name(path, is_mask=kind == "mask")
        real = _real(path)
        if real in given:
            message = f"'{shown(path)}' is a picture that you gave; name another place"
            raise InvalidArgument("WOULD_REPLACE", message)
        if real in taken:
            raise InvalidArgument("WOULD_REPLACE", f"'{shown(path)}' would be written twice; name two places")
        taken.add(real)
        if path.is_dir() or (path.exists() and not force):
            message = f"'{shown(path)}' is there already"
            raise InvalidArgument("WOULD_REPLACE", message, hint="name another place, or give --force")


def _real(path: Path) -> object:
    """What tells a file from others: the file behind links and other spellings, if it is there."""
    try:
        found = path.stat()
    except OSError:
        return path.resolve()
    return found.st_dev, found.st_ino


def check_size(*photos: Path) -> None:
    """Check before reading that pictures fit into a message. InvalidArgument(MESSAGE_TOO_LARGE); OSError."""
    from convoy.client.settings import read_client_settings

    most = read_client_settings().max_message_mb
    for photo in photos:
        if photo.stat().st_size > most << 20:
            message = f"'{photo}' is larger than a message may be: {most} MiB (CONVOY_MAX_MESSAGE_MB)"
            raise InvalidArgument("MESSAGE_TOO_LARGE", message)


@contextmanager
def naming(photos: Sequence[Path]) -> Iterator[None]:
    """In an error about one of several pictures, replace the picture's number by its name."""
    try:
        yield
    except ConvoyError as error:
        index = int(error.metadata.get("image_index", -1))
        if 0 <= index < len(photos):
            for word in ("picture", "image"):  # Services of the version before say image.
                error.message = error.message.replace(f"{word} {index + 1} of {len(photos)}", str(photos[index]), 1)
        raise


def drawing_paths(photos: list[Path], target: Path) -> list[Path]:
    """Where each drawing goes: to `target` for one picture, into the folder `target` for several."""
    if len(photos) == 1 and not target.is_dir():
        return [target]
    if target.suffix and not target.is_dir():
        raise InvalidArgument("BAD_ARGUMENT", f"there are several pictures, so '{target}' must be a folder")
    names = _told_apart([photo.stem for photo in photos], [photo.resolve().parent.name for photo in photos])
    if len(set(names)) < len(names):
        names = [f"{place}-{name}" for place, name in enumerate(names, 1)]
    return [target / f"{name}.png" for name in names]


def _told_apart(stems: list[str], folders: list[str]) -> list[str]:
    """The names; those that several pictures share get their folder in front."""
    return [f"{folder}-{stem}" if stems.count(stem) > 1 else stem for stem, folder in zip(stems, folders, strict=True)]


def _document(photo: Path, outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, ConvoyError):
        words = {"message": in_our_words(outcome.message), "hint": in_our_words(outcome.hint)}
        facts = {"reason": outcome.reason, **words, "metadata": outcome.metadata}
        return {"photo": shown(photo), "error": facts}
    return {"photo": shown(photo), "answer": outcome}
