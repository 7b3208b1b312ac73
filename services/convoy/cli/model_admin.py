"""convoy model load, unload, status: the models inside a running service."""

from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.output import AsJson, print_json, print_table
from convoy.core.api import ServiceName

if TYPE_CHECKING:
    from convoy.client.answers.models import ModelInfo

Service = Annotated[ServiceName, typer.Argument(help="The running service.")]
Model = Annotated[
    str,
    typer.Argument(
        help="The model, as NAME or NAME:VERSION. Without a version, load takes the newest and unload takes all."
    ),
]


def status(service: Service, as_json: AsJson = False) -> None:
    """Show each model of a running service: whether it answers, is only on disk, or was refused, and why.

    Example: **convoy model status classification**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        show(convoy.list_models(service), as_json)


def load(service: Service, model: Model, as_json: AsJson = False) -> None:
    """Load a model into a running service. The service refuses a model that breaks the contract.

    Example: **convoy model load classification cifar10-resnet:2**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        show([convoy.load_model(service, model)], as_json)


def unload(service: Service, model: Model, as_json: AsJson = False) -> None:
    """Unload a model from a running service after it has answered its calls, and then show each model.

    Example: **convoy model unload classification cifar10-resnet:1**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        convoy.unload_model(service, model)
        show(convoy.list_models(service), as_json)


def show(models: "list[ModelInfo]", as_json: bool) -> None:
    """Print one row for each model, narrow enough for 80 columns; --json has its task and the rest."""
    if as_json:
        print_json(models)
        return
    rows = [
        (
            one.model,
            one.problem or one.state,
            "yes" if one.is_default else "",
            one.precision,
            one.architecture,
        )
        for one in models
    ]
    print_table("", ("model", "state", "default", "precision", "architecture"), rows)
