"""A set of open networks for the demo: pulled into a folder of its own, as far as they can be had."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from convoy.core.errors import ConvoyError, NotFound
from convoy.core.model_sets import write_set


@dataclass(frozen=True)
class PulledSet:
    """Models that answer in place of the published ones. models: by their place in the fleet, such as `detection`."""

    name: str
    folder: Path
    models: Mapping[str, str]


def pull_set(name: str, brought: Path | None, folder: Path, console: Console) -> PulledSet:
    """Pull what can be had of a set into `folder`, and say what cannot; the published models answer there.

    Raises NotFound (NO_ENTRY, NO_FILE) where the set is unknown, or nothing of it can be had.
    """
    from convoy.catalogue.catalogue import bundled_catalogue
    from convoy.catalogue.pull import Pull, pull

    catalogue = bundled_catalogue()
    if name not in catalogue.sets:
        raise NotFound("NO_ENTRY", f"the catalogue has no set '{name}'; it has: {', '.join(sorted(catalogue.sets))}")
    wanted, how = catalogue.sets[name].models, Pull(folder, brought=brought, offline=brought is not None)
    problems: dict[str, ConvoyError] = {}
    for model in dict.fromkeys(wanted.values()):
        try:
            pull(catalogue.entries[model], catalogue, how)
        except ConvoyError as error:
            problems[model] = error
            console.print(escape(f"{model} cannot be had, so the published model answers there: {error.message}"))
    here: dict[str, str] = {place: model for place, model in wanted.items() if model not in problems}
    if not here:
        raise NotFound("NO_FILE", f"no model of the set '{name}' can be had")
    write_set(folder, name, here)
    return PulledSet(name, folder, here)
