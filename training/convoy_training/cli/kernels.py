"""`kernel` and `kernels`: graphs that are made from tables of numbers, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from convoy_training.cli.app import app
from convoy_training.loading import loading

Models = Annotated[Path, typer.Option(help="The folder of models to publish into.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace this version if it is published already.")]


@app.command()
def kernel(
    file: Annotated[Path, typer.Argument(help="A text file: a row of numbers a line, apart by blanks or commas.")],
    name: Annotated[str, typer.Option(help="The name of the model. Default: kernels- and the file's name.")] = "",
    version: Annotated[str, typer.Option(help="The version, a whole number.")] = "1",
    divide: Annotated[float, typer.Option(help="Divide every sum by this, such as 9 for a mean of 3x3.")] = 1.0,
    colour: Annotated[
        Literal["channels", "luminance"], typer.Option(help="What a service gives the kernel, unless a call says else.")
    ] = "channels",
    mapping: Annotated[
        Literal["as_is", "absolute", "centred"],
        typer.Option(help="How numbers become pixels: as they are, without their sign, or with 128 added."),
    ] = "as_is",
    models: Models = Path("exported_models"),
    replace: Replace = False,
) -> None:
    """Publish a kernel of any odd size as <models>/<name>/<version>/. Services slide it over pictures as it stands."""
    with loading():
        from convoy_training.publishing.kernels import publish_kernel, read_kernel

    name = name or f"kernels-{file.stem.lower()}"
    table = read_kernel(file, name, divide, colour=colour, mapping=mapping)
    command = f"convoy-train kernel {file.name} --name {name} --version {version} --divide {divide:g}"
    command += f" --colour {colour} --mapping {mapping}"
    typer.echo(f"wrote {publish_kernel(table, name, version, command, models, replace=replace)}")


@app.command()
def kernels(models: Models = Path("exported_models"), replace: Replace = False) -> None:
    """Publish the textbooks' kernels: edges, Sobel, Scharr, Laplacian, box, Gaussian, sharpen, emboss."""
    with loading():
        from convoy_training.publishing.kernel_tables import KERNELS
        from convoy_training.publishing.kernels import publish_kernel

    for one in KERNELS:
        folder = publish_kernel(one, f"kernels-{one.name}", "1", "convoy-train kernels", models, replace=replace)
        typer.echo(f"wrote {folder}")
