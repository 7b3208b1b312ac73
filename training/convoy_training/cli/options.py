"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file: training/recipes/bccd-yolo.yaml.")]
DETECTOR = Path("exported_models/face-detector-nano/2")
EMBEDDER = Path("exported_models/face-embedder/2")
Shown = Annotated[
    list[str],
    typer.Option("--metric", help="Show this metric. Give it several times for several. Default: each model's first."),
]
OtherData = Annotated[
    bool,
    typer.Option("--other-data", help="Allow other data than the model was trained on. The classes must be the same."),
]
Override = Annotated[
    list[str],
    typer.Option("--set", help="Set a field of the recipe: --set optimizer.lr=0.1. Give it several times for several."),
]
