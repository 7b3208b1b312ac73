"""Looks at the models in the repositories: each manifest, and the digest of each graph."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from convoy.core.errors import ConvoyError
from convoy.core.manifest import MANIFEST_FILE, load_manifest
from convoy.doctor.findings import Finding, good, problem, warning


def look_at_models(repositories: Iterable[Path], wanted: Iterable[str]) -> Iterator[Finding]:
    """Look at every version folder. wanted: what the settings name, as name or name:version."""
    found: set[str] = set()
    count = 0
    # The folder of pulled models is there once something was pulled.
    for repository in (one for one in repositories if one.is_dir()):
        for path in sorted(repository.glob(f"*/*/{MANIFEST_FILE}")):
            try:
                manifest = load_manifest(path.parent)
            except ConvoyError as error:
                yield problem("models", error.message, "export, pull or import it again; the services leave it out")
                continue
            found |= {manifest.name, f"{manifest.name}:{manifest.version}"}
            count += 1
    yield (
        good("models", f"{count} good versions")
        if count
        else problem(
            "models",
            "there is no good model",
            "set CONVOY_MODELS or give --models; `convoy model pull starter` brings some",
        )
    )
    for name in wanted:
        if name and name not in found:
            advice = "its service does not start; `convoy model list` shows what is there"
            yield warning("models", f"the settings name {name}, which is not there", advice)
