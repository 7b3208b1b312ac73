"""convoy gallery export, import: a gallery to a file and back."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson, print_json, progress
from convoy.core.errors import AlreadyExists, FailedPrecondition, NotFound

if TYPE_CHECKING:
    from convoy.cli.gallery_files import GalleryFile
    from convoy.client import Convoy
    from convoy.client.gallery_format import Secret
    from convoy.v1 import recognition_pb2

KeyFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="A file with the key: 32 bytes in base64 (openssl rand -base64 32)."
    ),
]
Passphrase = Annotated[bool, typer.Option("--passphrase", help="Ask for a passphrase.")]
PART = ".part"


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("export")(politely(export))
    app.command("import")(politely(take_in))


def export(
    name: Annotated[str, typer.Argument(help="Name of the gallery.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write.")],
    key_file: KeyFile = None,
    passphrase: Passphrase = False,
    as_json: AsJson = False,
) -> None:
    """Write a gallery with its templates to a file. With a key the file is encrypted.

    If an export breaks off, run the same command again and it continues.

    Example: **convoy gallery export team team.gallery --passphrase**
    """
    from convoy.client import Convoy

    if file.exists():
        raise AlreadyExists("FILE_EXISTS", f"{file} exists already; nothing was written")
    secret = _secret(key_file, passphrase, confirm=True)
    if secret is None:
        typer.echo("convoy: you gave no key, so anybody who reads the file has the templates.", err=True)
    unfinished = file.with_name(file.name + PART)
    with Convoy() as convoy:
        people = _fetch(convoy, name, unfinished, secret)
    unfinished.rename(file)
    if as_json:
        print_json({"file": str(file), "people": people, "is_encrypted": secret is not None})
    else:
        typer.echo(f"{people} people written to {file}")


def take_in(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A file that `convoy gallery export` wrote.")
    ],
    gallery: Annotated[
        str, typer.Argument(help="The gallery to add the people to; by default the one that was exported.")
    ] = "",
    key_file: KeyFile = None,
    passphrase: Passphrase = False,
    as_json: AsJson = False,
) -> None:
    """Add the people of a file to a gallery, which is created if it is not there.

    A person who is in the gallery already keeps name, facts and tags, and gets the missing faces. You may repeat the
    command.

    Example: **convoy gallery import team.gallery team-copy --passphrase**
    """
    from convoy.cli.gallery_files import GalleryFile
    from convoy.client import Convoy

    source = GalleryFile.open(file, _secret(key_file, passphrase, confirm=False))
    # Read the whole file before anything changes, so that a damaged file does no harm.
    total = sum(len(part.people) for part in source.parts())
    with Convoy() as convoy:
        counts = _send(convoy, source, gallery, total)
    if as_json:
        print_json(counts)
    else:
        typer.echo(", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items()))


def _fetch(convoy: "Convoy", name: str, path: Path, secret: "Secret | None") -> int:
    """Export into the file at `path`, from where an earlier export stopped; return the number of people in it."""
    from convoy.cli.gallery_files import GalleryFile

    parts: list[recognition_pb2.ExportGalleryResponse] = []
    if path.exists():
        file = GalleryFile.open(path, secret)
        parts = file.resume()
    if not parts:
        convoy.get_gallery(name)  # before a file is made for nothing
        file = GalleryFile.create(path, secret)
    people, number = sum(len(part.people) for part in parts), len(parts)
    begun = parts[0].gallery if parts else None
    if parts and not parts[-1].next_page_token:
        return people
    with progress("exporting", begun.people_count if begun else None) as advance:
        advance(people)
        for part in convoy.export_gallery(name, page_token=parts[-1].next_page_token if parts else ""):
            if begun and part.HasField("gallery") and _identity(part.gallery) != _identity(begun):
                message = (
                    f"{path} holds a part of another gallery that was called {name!r}; delete the file and start again"
                )
                raise FailedPrecondition("BAD_GALLERY_FILE", message)
            if begun is None:
                begun = part.gallery
                advance(0, begun.people_count)
            file.append(part, number)
            number, people = number + 1, people + len(part.people)
            advance(len(part.people))
    return people


def _send(convoy: "Convoy", source: "GalleryFile", name: str, total: int) -> dict[str, int]:
    counts = {"people_imported": 0, "faces_imported": 0, "people_unchanged": 0, "people_expired": 0}
    header = None
    with progress("importing", total) as advance:
        for part in source.parts():
            if header is None:
                header = part.gallery
                name = name or header.name
                _make(convoy, name, header)
            answer = convoy.import_people(name, header.model_sha256, part.people)
            for key in counts:
                counts[key] += getattr(answer, key)
            advance(len(part.people))
    return counts


def _make(convoy: "Convoy", name: str, header: "recognition_pb2.Gallery") -> None:
    """Create the gallery if it is not there, with the embedder that made the file, found by name or by digest."""
    from convoy.client.answers.galleries import read_gallery

    try:
        convoy.get_gallery(name)
    except NotFound:
        like = read_gallery(header)
        create = partial(
            convoy.create_gallery,
            name,
            description=like.description,
            policy=like.policy,
            vector_sets=like.vector_sets,
        )
        try:
            made = create(model=like.model)
        except NotFound:
            made = create()
        if made.model_sha256 != header.model_sha256:
            convoy.delete_gallery(name)
            embedder = f"{header.model.name}:{header.model.version}"
            message = f"the file's templates are of {embedder}, which the faces service does not have"
            raise FailedPrecondition("MODEL_MISMATCH", message) from None


def _secret(key_file: Path | None, passphrase: bool, confirm: bool) -> "Secret | None":
    from convoy.client.gallery_format import Secret

    if key_file and passphrase:
        raise typer.BadParameter("give a key file or a passphrase, not both")
    if key_file:
        return Secret.read(key_file)
    if passphrase:
        return Secret.passphrase(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    return None


def _identity(gallery: "recognition_pb2.Gallery") -> tuple[str, int, int]:
    made = gallery.create_time
    return gallery.model_sha256, made.seconds, made.nanos
