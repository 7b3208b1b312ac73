"""What a command says when it fails: a sentence and a hint on standard error, and an exit code."""

import os
import sys
from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import Any, ParamSpec

import typer

from convoy.core import errors

P = ParamSpec("P")


class ExitCode(IntEnum):
    """What a script reads from a command's exit code."""

    YES = 0
    NO = 1
    BAD_INPUT = 2
    UNAVAILABLE = 3
    NOT_ALLOWED = 4
    FAULT = 5


EXIT_CODES: dict[type[errors.ConvoyError], ExitCode] = {
    errors.InvalidArgument: ExitCode.BAD_INPUT,
    errors.NotFound: ExitCode.BAD_INPUT,
    errors.AlreadyExists: ExitCode.BAD_INPUT,
    errors.FailedPrecondition: ExitCode.BAD_INPUT,
    errors.ResourceExhausted: ExitCode.UNAVAILABLE,
    errors.DeadlineExceeded: ExitCode.UNAVAILABLE,
    errors.Unavailable: ExitCode.UNAVAILABLE,
    errors.Unauthenticated: ExitCode.NOT_ALLOWED,
    errors.PermissionDenied: ExitCode.NOT_ALLOWED,
}
BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""
HINTS = {
    "SERVICE_UNREACHABLE": "start the services with `convoy up`, or set their addresses (see `convoy --help`)",
    "DEADLINE_EXCEEDED": "set CONVOY_TIMEOUT_S to more seconds",
    "QUEUE_FULL": "try again in a moment",
    "MODEL_NOT_FOUND": "`convoy model list` shows the models",
    "WRONG_TASK": "`convoy model list` shows the task of each model",
    "GALLERY_NOT_FOUND": "`convoy gallery list` shows the galleries, `convoy gallery create` makes one",
    "PERSON_NOT_FOUND": "`convoy person list` shows the people",
    "NO_CREDENTIALS": "set CONVOY_CLIENT_TOKEN_FILE to the file with your token",
    "TOKEN_EXPIRED": "put a new token into the file of CONVOY_CLIENT_TOKEN_FILE",
    "START_TIMEOUT": "read the logs in the data folder",
}

# A field of a request as services name it, and the option that sets it.
OPTIONS = {
    "set add_faces": "give --add",
    "with add_faces": "with --add",
    "set use_largest_face": "give --largest",
    "set allow_identity_conflict": "give --allow-conflict",
    "set any_angle": "give --any-angle",
    "set allow_different": "give --allow-different",
}


def politely(command: Callable[P, None]) -> Callable[P, None]:
    """Make a command print each failure as one sentence and leave with its exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except errors.ConvoyError as error:
            raise typer.Exit(tell_failure(error)) from None
        except BrokenPipeError:
            # Whoever reads has read enough, as `head` does. Python would complain when it flushes the rest at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        except OSError as error:
            typer.echo(f"convoy: {error.filename or 'the output'}: {error.strerror or error}", err=True)
            raise typer.Exit(ExitCode.BAD_INPUT) from None
        except ValueError as error:
            # protobuf raises it for a number that does not fit into a field.
            if "out of range" not in str(error):
                raise
            typer.echo(f"convoy: {str(error)[:1].lower()}{str(error)[1:]}", err=True)
            raise typer.Exit(ExitCode.BAD_INPUT) from None

    return wrapped


def tell_failure(error: errors.ConvoyError, subject: str = "") -> ExitCode:
    """Print an error with its hint and return its exit code. subject: what it is about, for example a file."""
    advice = error.hint or HINTS.get(error.reason, "") or _who_answers(error)
    hint = f" Hint: {in_our_words(advice)}." if advice else ""
    typer.echo(
        f"convoy: {f'{subject}: ' if subject else ''}{in_our_words(error.message)} [{error.reason}].{hint}", err=True
    )
    return exit_code(error)


def _who_answers(error: errors.ConvoyError) -> str:
    """Say which service answers where another one was expected; empty for other errors."""
    service, address = error.metadata.get("service", ""), error.metadata.get("address", "")
    if error.reason != "UNIMPLEMENTED" or not (service and address):
        return ""
    from convoy.client.channels import connection
    from convoy.client.reachability import service_at
    from convoy.core.api import SERVICES

    known = next((name for name in SERVICES if name == service), None)
    if known is None:
        return ""
    setting = f"set CONVOY_{service.upper()}_ADDRESS"
    named: dict[str, Any] = {service: address}
    with connection(**named).open(known) as channel:
        found = service_at(channel)
    return f"the {found} service answers there; {setting}" if found and found != service else setting


def in_our_words(message: str) -> str:
    """Replace the fields that a service's sentence names by the command's options."""
    for theirs, ours in OPTIONS.items():
        message = message.replace(theirs, ours)
    return message


def exit_code(error: errors.ConvoyError) -> ExitCode:
    """The exit code for an error."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), ExitCode.FAULT)
