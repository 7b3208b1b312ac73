"""Options that say what a gallery demands of photos and searches."""

from typing import Annotated, Literal

import typer

Fpir = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="The highest chance that a search names a stranger.")
]
RateUnit = Annotated[
    Literal["picture", "face"] | None,
    typer.Option(help="Whether --fpir is the chance of a whole picture of strangers or that of each face."),
]
SameOccasion = Annotated[
    bool | None,
    typer.Option(help="People are registered from photos with the same camera and light as the pictures searched."),
]
AverageFaces = Annotated[
    bool | None,
    typer.Option(help="Also compare with the average of each person's faces; finds more of those who have several."),
]
QualityFloor = Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Refuse faces whose quality is below this.")]
AmbiguityMargin = Annotated[
    float | None,
    typer.Option(min=0.0, max=2.0, help="When the first two people are closer than this, the decision is AMBIGUOUS."),
]
