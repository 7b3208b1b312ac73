"""Prints tables of what networks cost, for people or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.table import Table

from convoy_training.models.architecture import Architecture, list_architectures
from convoy_training.models.measure import Cost, measure
from convoy_training.tables import print_table


def print_zoo(as_json: bool) -> None:
    """Prints every architecture, one per line."""
    costs = [(each, _measure(each)) for each in list_architectures()]
    if as_json:
        print(json.dumps([_summarise(each, cost) for each, cost in costs], indent=2))
        return
    table = _start_table(
        "architecture", "task", "input", "parameters", "multiply-adds", "activations", "receptive field"
    )
    for each, cost in costs:
        size = "x".join(map(str, reversed(each.input)))
        table.add_row(each.name, each.task, size, *_format(cost.parameters, cost.multiply_adds),
                      f"{cost.activation_bytes / 2**20:,.1f} MiB", f"{cost.receptive_field} px")  # fmt: skip
    print_table(table)


def print_layers(architecture: Architecture, as_json: bool) -> None:
    """Prints one architecture, layer by layer."""
    cost = _measure(architecture)
    if as_json:
        layers = [{**asdict(layer), "activation_bytes": layer.activation_bytes} for layer in cost.layers]
        print(json.dumps({**_summarise(architecture, cost), "layers": layers}, indent=2))
        return
    table = _start_table("layer", "output", "parameters", "multiply-adds", "activations", "receptive field")
    for layer in cost.layers:
        shape = " x ".join(map(str, layer.output))
        numbers = _format(layer.parameters, layer.multiply_adds)
        memory = f"{layer.activation_bytes / 2**10:,.1f} KiB"
        table.add_row(layer.kind, shape, *numbers, memory, f"{layer.receptive_field} px")
    table.add_section()
    table.add_row("together", "", *_format(cost.parameters, cost.multiply_adds),
                  f"{cost.activation_bytes / 2**10:,.1f} KiB", f"{cost.receptive_field} px")  # fmt: skip
    print_table(table)


def _measure(architecture: Architecture) -> Cost:
    return measure(architecture.build, architecture.input, pixels_last=architecture.pixels_last)


def _summarise(architecture: Architecture, cost: Cost) -> dict[str, object]:
    return {
        "name": architecture.name,
        "task": architecture.task,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "input": [*architecture.input, 3],
        "activation_bytes": cost.activation_bytes,
        "receptive_field": cost.receptive_field,
    }


def _start_table(first: str, *columns: str) -> Table:
    table = Table(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _format(*counts: int) -> list[str]:
    return [f"{count:,}" for count in counts]
