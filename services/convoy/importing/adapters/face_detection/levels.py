"""Finds outputs that exist once for each of the strides 8, 16 and 32."""

from collections import defaultdict

from convoy.importing.adapters.adapter import Probe, WrongShapeError

STRIDES = (8, 16, 32)


def sort_levels(probe: Probe, anchors: int, widths: dict[int, int]) -> list[list[str]]:
    """Find the outputs of each stride by their shapes, narrow ones first.

    anchors: of each cell; widths: numbers for each anchor -> how many such outputs a stride has. Raises Misfit.
    """
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for name, array in probe.outputs.items():
        found[array.shape[-1] if array.shape else 0, array.size].append(name)
    levels = []
    for stride in STRIDES:
        rows = anchors * probe.cells(stride)
        level = [found.get((width, width * rows), []) for width in sorted(widths)]
        if [len(names) for names in level] != [widths[width] for width in sorted(widths)]:
            wanted = ", ".join(f"{widths[width]} x [N, {rows}, {width}]" for width in sorted(widths))
            raise WrongShapeError(f"stride {stride} needs {wanted} for this input")
        levels.append([name for names in level for name in names])
    return levels
