"""convoy gallery alias, aliases: names that stand for galleries."""

from typing import Annotated

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson, print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(politely(alias))
    app.command()(politely(aliases))


def alias(
    name: Annotated[str, typer.Argument(help="The alias: the name that callers use.")],
    gallery: Annotated[
        str, typer.Argument(help="The gallery that it stands for; leave it out to remove the alias.")
    ] = "",
) -> None:
    """Let an alias stand for a gallery in calls on pictures and people. Without a gallery, remove the alias.

    Example: **convoy gallery alias team team-2**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        grants = convoy.set_gallery_alias(name, gallery)
    typer.echo(f"{name} stands for {gallery}. {grants}".rstrip() if gallery else f"removed the alias {name}")


def aliases(as_json: AsJson = False) -> None:
    """List the aliases of galleries."""
    from convoy.client import Convoy

    with Convoy() as convoy:
        found = convoy.list_gallery_aliases()
    if as_json:
        print_json(found)
    else:
        print_table("", ("alias", "gallery"), found.items())
