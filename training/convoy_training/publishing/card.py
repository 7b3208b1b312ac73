"""Writes a model's card and the table of all models from their manifests."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from convoy.core.manifest import MANIFEST_FILE, Manifest, load_manifest

from convoy_training.errors import TrainingError
from convoy_training.origin import NOTES
from convoy_training.report import REPORT
from convoy_training.report.numbers import format_count, format_value

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = (
    f"[{REPORT}]({REPORT}) has all curves and confusions. It shows no pictures, since most of the data may not be\n"
    "passed on. If you have the data, `convoy-train evaluate <this folder> --report mistakes.html` shows the worst\n"
    "mistakes."
)
HEAD = """# Models

Each folder is `<model>/<version>/` with the graph, its manifest and a card. Every number was measured on the ONNX graph
by the code that serves it. `convoy-train evaluate exported_models/<model>/<version>` measures it again, and
`convoy-train table` writes this page.

| model | task | architecture | parameters | multiply-adds | file | measured | on |
|---|---|---|---:|---:|---:|---|---|
"""


def write_card(manifest: Manifest, folder: Path) -> None:
    """Writes README.md: the facts of the manifest, the notes on use and failure, the charts, a link to the report."""
    notes = folder / NOTES
    text = describe_model(manifest, notes.read_text() if notes.exists() else "")
    shown = [show_chart(file) for file in sorted(folder.glob("*.svg"))] + [PICTURES] * (folder / REPORT).exists()
    if shown:
        text = text.replace("\n## Training\n", "\n## Pictures\n\n" + "\n\n".join(shown) + "\n\n## Training\n")
    (folder / "README.md").write_text(text)


def show_chart(file: Path) -> str:
    """Markdown for a chart that lies beside the card, with the sentence in the chart that says how to read it."""
    chart = ElementTree.parse(file).getroot()
    title, sentence = (chart.findtext(f"{SVG}{name}", "") for name in ("title", "desc"))
    return f"**{title}.** {sentence}\n\n![{title}]({file.name})"


def describe_model(manifest: Manifest, notes: str) -> str:
    """A model card (Mitchell et al. 2019, arXiv:1810.03993) in Markdown."""
    if not manifest.metrics:
        return describe_table(manifest)
    rows = "\n".join(
        f"| {m.name} | {format_value(m)} | {m.dataset} | {m.split} | {m.n:,} | {m.condition} |"
        for m in manifest.metrics
    )
    asked = "a signal" if manifest.signal else "a block of slices" if manifest.volume else "an image"
    trained = manifest.training.trained
    cut = f"\nThe run was cut: this is {trained}." if trained.startswith("epoch ") else ""
    return f"""# {manifest.name}, version {manifest.version}

{manifest.task} · {manifest.architecture} · {format_count(manifest.parameters)} parameters · \
{format_count(manifest.multiply_adds)} multiply-adds {asked} · \
{manifest.precision}

{notes.strip()}

## Measured

| metric | value (95 % interval) | data | split | n | conditions |
|---|---:|---|---|---:|---|
{rows}

Measure again: `{manifest.metrics[0].command if manifest.metrics else ""}`. {describe_export(manifest)}

## Training

`{manifest.training.command}` (seed {manifest.training.seed}, {manifest.training.framework}).
Data: {"; ".join(manifest.training.data)}.{cut}

## Terms

{manifest.training.data_terms}.
"""


def describe_table(manifest: Manifest) -> str:
    """The card of a graph that was made from a table, in which nothing was learnt and so nothing is measured."""
    return f"""# {manifest.name}, version {manifest.version}

{manifest.task} · {manifest.architecture} · {format_count(manifest.parameters)} parameters · {manifest.precision}

Made from [{manifest.training.recipe}]({manifest.training.recipe}) by `{manifest.training.command}`; nothing was learnt.
The graph gives the numbers without a border (`valid`); the service adds the border and maps them to 0..255.

ONNX Runtime differs from PyTorch by at most {manifest.export.max_abs_difference or 0:.1e} on pictures of noise.
"""


def describe_export(manifest: Manifest) -> str:
    """A sentence on how far the graph is from the network that was trained."""
    export = manifest.export
    if export.max_abs_difference is None:
        return "The graph is quantised, so compare its metrics with those of the float32 model."
    compared = "signals" if manifest.signal else "real images"
    return (
        f"ONNX Runtime differs from PyTorch by at most\n{export.max_abs_difference:.1e} on {export.images_compared} "
        f"{compared}."
    )


def write_table(models: Path) -> Path:
    """Writes the README.md of a folder of models, one line per version, and every model's card again.

    Raises TrainingError if there is no model, so that it never overwrites a README.md of another kind.
    """
    rows, folders = [], sorted(path.parent for path in models.glob(f"*/*/{MANIFEST_FILE}"))
    if not folders:
        raise TrainingError(f"{models} is not a folder of models: it has no <model>/<version>/{MANIFEST_FILE}")
    for folder in folders:
        manifest = load_manifest(folder)
        write_card(manifest, folder)
        rows.append(_row(manifest, folder))
    page = models / "README.md"
    page.write_text(HEAD + "".join(rows))
    return page


def _row(manifest: Manifest, folder: Path) -> str:
    size = (folder / "model.onnx").stat().st_size / 2**20
    first = manifest.metrics[0] if manifest.metrics else None
    measured = f"{first.name} {format_value(first)}" if first else "not measured"
    origin = f"{first.dataset}, {first.split}, n = {first.n:,}" if first else ""
    return (
        f"| [{manifest.name}/{manifest.version}]({manifest.name}/{manifest.version}/) | {manifest.task} | "
        f"{manifest.architecture} | {format_count(manifest.parameters)} | {format_count(manifest.multiply_adds)} | "
        f"{size:.1f} MiB | {measured} | {origin} |\n"
    )
