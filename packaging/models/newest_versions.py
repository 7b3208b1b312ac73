"""Puts the newest version of each model in exported_models/ into the wheel, as convoy_models/NAME/VERSION."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODELS = Path(__file__).resolve().parents[2] / "exported_models"


class NewestVersions(BuildHookInterface[Any]):
    """A build hook of hatchling."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files, from where they lie to where the wheel has them."""
        newest = (max(name.iterdir(), key=lambda one: int(one.name)) for name in MODELS.iterdir() if name.is_dir())
        for folder in newest:
            build_data["force_include"][str(folder)] = f"convoy_models/{folder.parent.name}/{folder.name}"
