"""Calls that explain what a model says. `model` is name or name:version, empty for the default."""

from convoy.client.answers import explanation
from convoy.client.operations.operation import Operation, plan
from convoy.client.operations.vision import write_model
from convoy.client.pictures import Channels, Picture, write_image
from convoy.v1 import classification_pb2, explanation_pb2


def explain(
    picture: Picture,
    label: str = "",
    *,
    model: str = "",
    cells: int = 0,
    exact: bool = False,
    overlay: bool = False,
    channels: Channels = "rgb",
) -> Operation[explanation.Explanation]:
    """Which places of a picture make a classifier say `label`; empty for the most probable one.

    cells: along the longer side, 2 to 24, 0 for 8; the network looks about once for each cell. exact: the map comes in
    32-bit floats instead of 255 steps; overlay: also as a picture laid over yours.
    """
    request = classification_pb2.ExplainRequest(
        image=write_image(picture, channels),
        model=write_model(model),
        label=label,
        options=_write_options(cells, exact, overlay),
    )
    return plan(
        "classification",
        request,
        classification_pb2.ExplainResponse,
        explanation.read_explanation,
        picture=(picture, channels),
    )


def _write_options(cells: int, exact: bool, overlay: bool) -> explanation_pb2.ExplanationOptions:
    map_format = explanation_pb2.MAP_FORMAT_FLOAT32 if exact else explanation_pb2.MAP_FORMAT_PNG
    return explanation_pb2.ExplanationOptions(cells=cells, map_format=map_format, overlay=overlay)
