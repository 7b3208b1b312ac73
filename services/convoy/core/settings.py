"""The settings: every CONVOY_* variable in one class. Beside client_settings.py, it alone reads the environment.

setting_groups.py defines the fields, with a class for each group.
"""

import difflib
import os
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_data_path
from pydantic import ValidationError

from convoy.core.api import ServiceName
from convoy.core.client_settings import ClientSettings
from convoy.core.errors import InvalidArgument
from convoy.core.setting_groups import Access, Address, Client, Doors, Galleries, Group, Limits, Logs, Models, Web, Work

GROUPS: tuple[type[Group], ...] = (Address, Models, Work, Limits, Access, Logs, Galleries, Client, Web, Doors)
"""In the order of docs/configuration.md."""


READ_THE_OLD_NAME = ("classification", "detection", "segmentation")
"""The services that read CONVOY_MODEL, which is older than the others."""


class Settings(Address, Models, Work, Limits, Access, Logs, Galleries, Client, Web, Doors):
    """The settings of one service, or of the client."""

    @property
    def repositories(self) -> tuple[Path, ...]:
        """The model repositories. Unless CONVOY_MODELS is set, your own and those of an installed package come last."""
        return self.models if "models" in self.model_fields_set else (*self.models, own_models(), *packaged_models())

    @property
    def of_client(self) -> ClientSettings:
        """The part that clients read."""
        own = {one.name: getattr(self, one.name) for one in fields(ClientSettings)}
        return ClientSettings(**own | {"client_token": self.client_token.get_secret_value()})

    def model_of(self, service: ServiceName) -> str:
        """The model of a service on pictures for calls that name none, as name or name:version.

        The service's own setting takes precedence over CONVOY_MODEL, which classification, detection and segmentation
        read.
        """
        field = f"{service}_model"
        own: str = getattr(self, field)
        is_set = field in self.model_fields_set and own
        return own if is_set or not self.model or service not in READ_THE_OLD_NAME else self.model


def own_models() -> Path:
    """The user's own model repository, into which `convoy model pull` writes."""
    return user_data_path("convoy", appauthor=False) / "models"


def packaged_models() -> tuple[Path, ...]:
    """The published models, where the distribution convoy-vision-models is installed; otherwise empty."""
    found = find_spec("convoy_models")
    return tuple(Path(place) for place in found.submodule_search_locations or ()) if found else ()


def read_settings() -> Settings:
    """Read the environment. Raises InvalidArgument(BAD_ARGUMENT), which names every wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        problems = (f"CONVOY_{str(e['loc'][0]).upper()}={e['input']!r}: {e['msg']}" for e in error.errors())
        raise InvalidArgument("BAD_ARGUMENT", "; ".join(problems)) from None


def misspelt_variables() -> dict[str, str]:
    """Find misspelt settings: CONVOY_* variables that nobody reads, each with the setting that it resembles.

    Ignores variables that resemble none: clients have their own, and Kubernetes sets CONVOY_FACES_SERVICE_HOST etc.
    """
    known = {f"CONVOY_{field.upper()}" for field in Settings.model_fields}
    strangers = (name for name in os.environ if name.startswith("CONVOY_") and name not in known)
    close = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.9) for name in strangers}
    return {name: matches[0] for name, matches in close.items() if matches}


def outdated_variables(service: ServiceName) -> dict[str, str]:
    """Find renamed CONVOY_* variables of this service, which still work, each with its new name."""
    own = f"CONVOY_{service.upper()}_MODEL"
    takes_model = service in READ_THE_OLD_NAME
    return {"CONVOY_MODEL": own} if takes_model and os.environ.get("CONVOY_MODEL") else {}
