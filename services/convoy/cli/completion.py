"""Names that the shell completes: those of galleries, models and people, as the services know them."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import typer

from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError

if TYPE_CHECKING:
    from convoy.client import Convoy

ASKED: dict[str, ServiceName] = {"detect": "detection", "segment": "segmentation", "transform": "imaging"}
"""Which service has the models of a command, unless it is classification."""
PATIENCE_S = 2.0
"""A shell that waits longer seems to hang."""
MOST = 200


def galleries(incomplete: str) -> list[str]:
    """Names of galleries that begin so."""
    return _ask(lambda convoy: (one.name for one in convoy.list_galleries()), incomplete)


def people(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of people that begin so: of the gallery that the line has named, or of the only one."""

    def ids(convoy: "Convoy") -> Iterable[str]:
        named = context.params.get("gallery")
        names = [named] if named else [one.name for one in islice(convoy.list_galleries(), 2)]
        if len(names) != 1:
            return []
        return (one.person_id for one in convoy.list_people(names[0], name_contains=incomplete, page_size=1000))

    return _ask(ids, incomplete)


def models(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the models of the command's service that begin so."""
    service = ASKED.get(context.info_name or "", "classification")
    return _ask(lambda convoy: (one.model.name for one in convoy.list_models(service)), incomplete)


def _ask(names: "Callable[[Convoy], Iterable[str]]", incomplete: str) -> list[str]:
    """What the services know; nothing when they are away, since a shell has no place for a sentence."""
    from convoy.client import Convoy

    with suppress(ConvoyError), Convoy(timeout_s=PATIENCE_S) as convoy:
        return list(dict.fromkeys(islice((name for name in names(convoy) if name.startswith(incomplete)), MOST)))
    return []
