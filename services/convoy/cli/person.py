"""convoy person: the people in a gallery."""

from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.failures import ExitCode, politely
from convoy.cli.output import AsJson, confirm, print_json, print_table
from convoy.cli.recognition import Expires, Gallery, in_utc, read_facts

if TYPE_CHECKING:
    from convoy.client.answers.galleries import Person

app = typer.Typer(no_args_is_help=True, help="Register, show, change, merge and delete the people in a gallery.")
Who = Annotated[str, typer.Argument(help="Your id for the person.")]


@app.command("list")
@politely
def list_all(gallery: Gallery, as_json: AsJson = False) -> None:
    """List the people of a gallery by id."""
    from convoy.client import Convoy

    with Convoy() as convoy:
        people = list(convoy.list_people(gallery))
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a person with every face, or one face. This cannot be undone."""
    from convoy.client import Convoy

    what = f"the face '{face}' of '{person}'" if face else f"'{person}' with every face"
    confirm(f"Delete {what} from the gallery '{gallery}'? This cannot be undone.", yes)
    with Convoy() as convoy:
        if face:
            faces_deleted, version = 1, convoy.delete_face(gallery, person, face)
        else:
            answer = convoy.delete_person(gallery, person)
            faces_deleted, version = answer.faces_deleted, answer.version
    if as_json:
        print_json({"faces_deleted": faces_deleted, "version": version})
    else:
        typer.echo(f"deleted: {faces_deleted} {'face' if faces_deleted == 1 else 'faces'}")


def _show(person: "Person", as_json: bool) -> None:
    if as_json:
        print_json(person)
        return
    title = " ".join(part for part in (person.person_id, person.display_name, _facts(person)) if part)
    rows = [(one.face_id, f"{one.quality:.2f}", f"{one.create_time:%Y-%m-%d %H:%M}") for one in person.faces]
    print_table(title, ("face", "quality ", "registered (UTC)"), rows)


def _facts(person: "Person") -> str:
    return ", ".join([*(f"{key}={value}" for key, value in sorted(person.metadata.items())), *person.tags])
