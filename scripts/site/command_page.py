"""The page of the commands convoy and convoy-train: what --help says, on one page."""

import click
import typer.main
from convoy.cli.app import app
from convoy_training.cli.app import app as training_app
from typer.cli import get_docs_for_click

HEAD = """# Commands

Every command answers `--help`; this page is the same text. [Configuration](../configuration.md)
lists the environment variables.

"""


def write_commands() -> str:
    """The page, as Markdown."""
    pages = []
    for name, tool in (("convoy", app), ("convoy-train", training_app)):
        command = typer.main.get_command(tool)
        context = click.Context(command, info_name=name)
        pages.append(get_docs_for_click(obj=command, ctx=context, indent=1, name=name))
    return HEAD + "\n".join(pages)
