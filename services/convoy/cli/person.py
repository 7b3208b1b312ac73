"""convoy person: the people in a gallery."""

from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.completion import people
from convoy.cli.failures import ExitCode, politely
from convoy.cli.output import AsJson, confirm, print_json, print_table
from convoy.cli.recognition import Expires, Facts, Gallery, Tags, in_utc, read_facts

if TYPE_CHECKING:
    from convoy.client.answers.people import Person

app = typer.Typer(
    no_args_is_help=True, help="Make, register, show, change, rename, merge and delete the people in a gallery."
)
Who = Annotated[str, typer.Argument(help="Your id for the person.", autocompletion=people)]


@app.command("list")
@politely
def list_all(
    gallery: Gallery,
    name: Annotated[str, typer.Option(help="Only people with this text in their id or name, in any case.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Only people with this tag; you may repeat it.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the people of a gallery by id: all, or those whom a name and tags describe."""
    from convoy.client import Convoy

    with Convoy() as convoy:
        people = list(convoy.list_people(gallery, name_contains=name, tags=tag or (), page_size=1000))
    if as_json:
        print_json(people)
    else:
        rows = [(one.person_id, one.display_name, len(one.faces), _facts(one)) for one in people]
        print_table("", ("person", "name", "faces ", "facts"), rows)


@app.command()
@politely
def show(person: Who, gallery: Gallery, as_json: AsJson = False) -> None:
    """Show a person with the faces on record."""
    from convoy.client import Convoy

    with Convoy() as convoy:
        _show(convoy.get_person(gallery, person), as_json)


@app.command()
@politely
def create(
    person: Who,
    gallery: Gallery,
    name: Annotated[str, typer.Option(help="A name for people to read.")] = "",
    fact: Facts = None,
    tag: Tags = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Make a person without faces, whom nobody recognises until you register a photo.

    Example: **convoy person create ada --gallery team --name "Ada Lovelace"**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        made = convoy.create_person(
            gallery,
            person,
            display_name=name,
            metadata=read_facts(fact),
            tags=tag or (),
            expire_time=in_utc(expires),
        )
        _show(made, as_json)


@app.command()
@politely
def rename(
    person: Who,
    new: Annotated[str, typer.Argument(help="The new id, which nobody has.")],
    gallery: Gallery,
    as_json: AsJson = False,
) -> None:
    """Give a person another id. Faces, name, facts, tags and expiry stay.

    Example: **convoy person rename ada ada.lovelace --gallery team**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        _show(convoy.rename_person(gallery, person, new), as_json)


@app.command()
@politely
def face(
    face_id: Annotated[str, typer.Argument(metavar="FACE", help="The id of the face.")],
    gallery: Gallery,
    as_json: AsJson = False,
) -> None:
    """Say whose a face is, by its id."""
    from convoy.client import Convoy

    with Convoy() as convoy:
        found = convoy.get_face(gallery, face_id)
    if as_json:
        print_json(found)
        return
    one = found.face
    row = (one.face_id, found.person.person_id, f"{one.quality:.2f}", f"{one.create_time:%Y-%m-%d %H:%M}", one.label)
    print_table("", ("face", "person", "quality ", "registered (UTC)", "photo"), [row])


@app.command()
@politely
def lookalikes(gallery: Gallery, as_json: AsJson = False) -> None:
    """List ids that people may confuse: by case, accents, separators, or letters that look alike. Exits with 1 if any.

    Example: **convoy person lookalikes --gallery team**
    """
    from collections import defaultdict

    from convoy.client import Convoy
    from convoy.core.names import look_of

    groups: defaultdict[str, list[str]] = defaultdict(list)
    with Convoy() as convoy:
        for one in convoy.list_people(gallery, page_size=1000):
            groups[look_of(one.person_id)].append(one.person_id)
    alike = [ids for look, ids in groups.items() if look and len(ids) > 1]
    if as_json:
        print_json({"lookalikes": alike})
    else:
        print_table("", ("ids that look alike",), [(", ".join(ids),) for ids in alike])
    if alike:
        raise typer.Exit(ExitCode.NO)


@app.command()
@politely
def update(
    person: Who,
    gallery: Gallery,
    name: Annotated[str | None, typer.Option(help="The new name for people to read.")] = None,
    fact: Annotated[
        list[str] | None, typer.Option(help="A fact, as KEY=VALUE; KEY= removes it; you may repeat it.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag to add; you may repeat it.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="A tag to remove; you may repeat it.")] = None,
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Change a person's name, facts, tags or expiry.

    Example: **convoy person update ada --gallery team --fact desk=4**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        changed = convoy.update_person(
            gallery,
            person,
            display_name=name,
            metadata=read_facts(fact),
            add_tags=tag or (),
            remove_tags=untag or (),
            expire_time=in_utc(expires),
        )
        _show(changed, as_json)


@app.command()
@politely
def merge(
    person: Who,
    merged: Annotated[str, typer.Argument(help="The person whose faces go to the first, and who is then deleted.")],
    gallery: Gallery,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make one person of two: the faces of the second go to the first, and the second is deleted."""
    from convoy.client import Convoy

    confirm(f"Give the faces of '{merged}' to '{person}' and delete '{merged}' from '{gallery}'?", yes)
    with Convoy() as convoy:
        _show(convoy.merge_people(gallery, person, merged), as_json)


@app.command()
@politely
def delete(
    person: Who,
    gallery: Gallery,
    face: Annotated[str | None, typer.Option(help="Delete only this face, by its id.")] = None,
    with_person: Annotated[
        bool, typer.Option("--with-person", help="With --face: if it is the last face, delete the person too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a person with every face, or one face. This cannot be undone.

    A person whose last face is deleted stays, and nobody recognises them until you register a photo; with
    **--with-person** the person goes too.
    """
    from convoy.client import Convoy
    from convoy.client.answers.people import FaceDeletion

    gone = FaceDeletion(0)
    what = f"the face '{face}' of '{person}'" if face else f"'{person}' with every face"
    confirm(f"Delete {what} from the gallery '{gallery}'? This cannot be undone.", yes)
    with Convoy() as convoy:
        if face:
            gone = convoy.delete_face(gallery, person, face, delete_person_without_faces=with_person)
            faces_deleted, version = 1, int(gone)
        else:
            answer = convoy.delete_person(gallery, person)
            faces_deleted, version = answer.faces_deleted, answer.version
    if as_json:
        more = {"faces_left": gone.faces_left, "person_deleted": gone.is_person_deleted} if face else {}
        print_json({"faces_deleted": faces_deleted, "version": version, **more})
    else:
        also = f", and {person} with the last one" if gone.is_person_deleted else ""
        typer.echo(f"deleted: {faces_deleted} {'face' if faces_deleted == 1 else 'faces'}{also}")
    if gone.faces_left == 0 and not gone.is_person_deleted:
        message = f"'{person}' has no face left, so nobody recognises this person; register a photo"
        typer.echo(f"convoy: {message}, or delete the person with `convoy person delete`.", err=True)


def _show(person: "Person", as_json: bool) -> None:
    if as_json:
        print_json(person)
        return
    title = " ".join(part for part in (person.person_id, person.display_name, _facts(person)) if part)
    if person.expire_time is not None:
        title += f"\nexpires: {person.expire_time:%Y-%m-%d %H:%M} (UTC)"
    rows = [(one.face_id, f"{one.quality:.2f}", f"{one.create_time:%Y-%m-%d %H:%M}", one.label) for one in person.faces]
    columns = ("face", "quality ", "registered (UTC)", "photo")
    print_table(title, columns, rows, "no face is on record: nobody recognises this person")


def _facts(person: "Person") -> str:
    return ", ".join([*(f"{key}={value}" for key, value in sorted(person.metadata.items())), *person.tags])
