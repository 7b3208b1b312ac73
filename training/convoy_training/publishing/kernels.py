"""Publishes kernels as graphs: a convolution of each channel by itself, with border `valid`, made from a table."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from convoy.core.manifest import GRAPH_FILE, InputSpec, Manifest, PictureSpec, Training, digest
from convoy.core.manifest import Export as ExportFacts
from convoy.core.manifest import Task as ServedTask
from numpy.typing import NDArray
from torch import Tensor, nn

from convoy_training.errors import ExportError, RecipeError
from convoy_training.models.counts import count_multiply_adds, count_parameters
from convoy_training.publishing.card import write_card
from convoy_training.publishing.export import OPSET, export_onnx
from convoy_training.publishing.folder import publish
from convoy_training.publishing.kernel_tables import Kernel
from convoy_training.publishing.publication import check_free
from convoy_training.task import Export

ARCHITECTURE = "kernels"
TABLE = "kernel.txt"
LONG_SIDE = 512
LARGEST = 101
"""The longest side of a kernel; two of them leave most of a tile."""
LARGEST_NUMBER = 1e30
TOLERANCE = 1e-3


class KernelGraph(nn.Module):
    """float32 [N,H,W,3] -> pictures float32 [N,H - k + 1,W - k + 1,3]: cross-correlation of each channel."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        tables = torch.from_numpy(kernel.tables)
        self.count, self.divisor = len(tables), kernel.divisor
        side = tables.shape[1]
        self.conv = nn.Conv2d(3, 3 * self.count, side, groups=3, bias=False)
        self.conv.weight = nn.Parameter(tables[:, None].repeat(3, 1, 1, 1), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        planes: Tensor = self.conv(images.permute(0, 3, 1, 2))
        if self.count == 2:
            # Channels are red's first and second kernel, green's, blue's.
            first, second = planes[:, 0::2], planes[:, 1::2]
            planes = torch.sqrt(first * first + second * second)
        if self.divisor != 1:
            planes = planes / self.divisor
        return planes.permute(0, 2, 3, 1)


def read_kernel(file: Path, name: str, divisor: float = 1.0, **shown: str) -> Kernel:
    """Reads a table of numbers: a row a line, numbers apart by blanks or commas, # before comments.

    Both sides must be odd; a kernel that is not square is filled up with zeros. Raises RecipeError.
    """
    try:
        lines = [line.partition("#")[0].replace(",", " ").split() for line in file.read_text("utf-8").splitlines()]
        rows = [[float(number) for number in line] for line in lines if line]
    except UnicodeDecodeError:
        raise RecipeError(f"{file}: is not text: write a row of numbers a line") from None
    except ValueError as error:
        raise RecipeError(f"{file}: {error}: write numbers alone, apart by blanks or commas") from None
    if not rows:
        raise RecipeError(f"{file}: has no numbers: write a row of numbers a line")
    if len({len(row) for row in rows}) > 1:
        raise RecipeError(f"{file}: its rows differ in length")
    if not all(math.isfinite(number) and abs(number) <= LARGEST_NUMBER for row in rows for number in row):
        raise RecipeError(f"{file}: it holds NaN, infinity or a number too large")
    if not (math.isfinite(divisor) and divisor):
        raise RecipeError(f"--divide {divisor:g}: give a number other than 0")
    table = _make_square(np.array(rows), file)
    square = tuple(tuple(row) for row in table.tolist())
    return Kernel(name, f"A kernel of {len(rows)}x{len(rows[0])} numbers.", square, divisor, **shown)  # type: ignore[arg-type]


def publish_kernel(
    kernel: Kernel, name: str, version: str, command: str, models: Path, *, replace: bool = False
) -> Path:
    """Writes <models>/<name>/<version>/: graph, manifest, card and table. Returns that folder; raises ExportError."""
    folder, side = models / name / version, kernel.tables.shape[1]

    def write(partial: Path) -> None:
        file = partial / GRAPH_FILE
        graph = KernelGraph(kernel).eval()
        images = np.random.default_rng(0).integers(0, 256, (2, side + 11, side + 14, 3)).astype(np.float32)
        export = Export(outputs=("pictures",), manifest={}, stride=1, tolerance=TOLERANCE * float(
            np.abs(kernel.tables).sum() / abs(kernel.divisor) + 1
        ))  # fmt: skip
        difference = export_onnx(graph, images, export, file)
        sha256 = digest(file)
        if not replace:
            check_free(folder, sha256)
        manifest = Manifest(
            name=name,
            version=version,
            task=ServedTask.PICTURE_TO_PICTURE,
            architecture=ARCHITECTURE,
            sha256=sha256,
            input=InputSpec(resize="tiles", long_side=LONG_SIDE),
            picture=PictureSpec(colour=kernel.colour, mapping=kernel.mapping, overlap=side // 2, trimmed=True),
            parameters=count_parameters(file),
            multiply_adds=count_multiply_adds(graph, images[:1]),
            licence="Apache-2.0",
            training=Training(recipe=TABLE, command=command, data=["none"], data_terms="Made from a table of numbers"),
            export=ExportFacts(opset=OPSET, max_abs_difference=difference, tolerance=export.tolerance,
                               images_compared=len(images)),
        )  # fmt: skip
        (partial / TABLE).write_text(write_table(kernel))
        manifest.save(partial)
        write_card(manifest, partial)

    try:
        publish(folder, write)
    except ValueError as error:
        raise ExportError(f"{name}/{version} cannot be published: {error}") from error
    return folder


def write_table(kernel: Kernel) -> str:
    """The kernel as text that `read_kernel` reads, where it is one."""
    lines = [f"# {kernel.what}", f"# Cross-correlation; divided by {kernel.divisor:g}."]
    for number, table in enumerate(kernel.tables):
        if number:
            lines.append("# and across; the answer is the length of both: sqrt(a^2 + b^2)")
        lines += [" ".join(f"{value:g}" for value in row) for row in table]
    return "\n".join(lines) + "\n"


def _make_square(table: NDArray[np.float64], file: Path) -> NDArray[np.float64]:
    height, width = table.shape
    if height % 2 == 0 or width % 2 == 0:
        raise RecipeError(f"{file}: it has {height}x{width} numbers; both sides must be odd, so that there is a middle")
    side = max(height, width)
    if side > LARGEST:
        raise RecipeError(f"{file}: it has {height}x{width} numbers; {LARGEST} a side is the most")
    below, right = (side - height) // 2, (side - width) // 2
    return np.pad(table, ((below, below), (right, right)))
