"""Writes what documents take from the code into DIR (by default the repository): docs/configuration.md and .env.example
out of the settings class, the README's table of models out of the manifests, the console's list of models to pull."""

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args, get_origin

from convoy.catalogue.catalogue import bundled_catalogue
from convoy.core.manifest import Manifest, load_manifest
from convoy.core.setting_groups import Group
from convoy.core.settings import GROUPS
from pydantic import SecretStr
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = Path("services/convoy/web/console/catalogue.json")
PAGE_HEAD = """# Configuration

Environment variables alone configure every service, the client and the command `convoy`. If a service finds a misspelt
variable, it says so in its log. The command says so on standard error. `make proto` generates this page from
`services/convoy/core/setting_groups.py`.
"""
TABLE_HEAD = "| variable | default | values | meaning |\n|---|---|---|---|\n"
ENV_HEAD = """\
# Copy to .env: Docker Compose reads it and hands the CONVOY_* lines to every service. Comments show the defaults.

# Address of this machine on which the services are published; 0.0.0.0 for all.
#BIND_ADDRESS=127.0.0.1
# Tag of the project's image.
#IMAGE_TAG=latest
# Images that are built on or run; append @sha256:... to pin one to its bytes.
#PYTHON_IMAGE=python:3.11-slim-bookworm
#REDIS_IMAGE=redis:8
# Folder of the model repository on this machine.
#MODELS_FOLDER=./exported_models
# Limits of each service: cores and memory.
#SERVICE_CPUS=2
#SERVICE_MEMORY=2g
# What Redis may hold, and the limits of its container: twice as much, for rewriting its log.
#REDIS_MAXMEMORY=1gb
#REDIS_MEMORY=2g
#REDIS_CPUS=2
# Published ports.
#CLASSIFICATION_PORT=50051
#CLASSIFICATION_METRICS_PORT=51051
#DETECTION_PORT=50052
#DETECTION_METRICS_PORT=51052
#SEGMENTATION_PORT=50053
#SEGMENTATION_METRICS_PORT=51053
#FACES_PORT=50054
#FACES_METRICS_PORT=51054
#RECOGNITION_PORT=50055
#RECOGNITION_METRICS_PORT=51055
#IMAGING_PORT=50056
#IMAGING_METRICS_PORT=51056
# The web door: its address on this machine, apart from BIND_ADDRESS, so that an upgrade opens no page to the network.
#WEB_BIND_ADDRESS=127.0.0.1
#WEB_PORT=8080
#WEB_METRICS_PORT=9080
# With compose.secure.yaml: folder of certificates and tokens, and the user that may read them.
#SECRETS_FOLDER=./secrets
# yes: the folder holds a folder for each service, and a container gets only its own.
#SECRETS_PER_SERVICE=
#SERVICE_USER=10001
# With compose.observability.yaml; COMPOSE_PROFILES=full adds the collector, Jaeger and Grafana.
#COMPOSE_PROFILES=
#PROMETHEUS_PORT=9090
#JAEGER_PORT=16686
#GRAFANA_PORT=3000
#PROMETHEUS_IMAGE=prom/prometheus:v3.5.0
#COLLECTOR_IMAGE=otel/opentelemetry-collector-contrib:0.130.0
#JAEGER_IMAGE=jaegertracing/jaeger:2.11.0
#GRAFANA_IMAGE=grafana/grafana:12.0.0
"""


def show_default(field: FieldInfo) -> str:
    """The default as one would write it into the environment; empty for none."""
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return os.pathsep.join(map(str, value))
    return "" if value is None else str(value)


def show_values(annotation: object) -> str:
    """The values that a field takes, in a word or two."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        kind = get_args(annotation)[0]
        return "paths" if kind is Path else "names" if kind is str else f"some of {show_values(kind)}"
    members = [member for member in get_args(annotation) or (annotation,) if member is not type(None)]
    names = {bool: "true, false", int: "whole number", float: "number", SecretStr: "text"}
    return names.get(members[0], str(getattr(members[0], "__name__", "text")).lower().replace("str", "text"))


def write_page() -> str:
    """docs/configuration.md: a section for each group of settings."""
    return PAGE_HEAD + "".join(map(write_section, GROUPS))


def write_section(group: type[Group]) -> str:
    """A group's heading, what it is about, and its table."""
    rows = "".join(write_row(name, field) for name, field in fields_of(group))
    return f"\n## {group.__name__}\n\n{one_line(group.__doc__)}\n\n{TABLE_HEAD}{rows}"


def write_row(name: str, field: FieldInfo) -> str:
    """One variable as a row of a table."""
    default = f"`{show_default(field)}`" if show_default(field) else ""
    meaning = one_line(field.description).replace("|", "\\|")
    return f"| `CONVOY_{name.upper()}` | {default} | {show_values(field.annotation)} | {meaning} |\n"


def write_env() -> str:
    """.env.example: every line but the empty ones is a comment until you change it."""
    return ENV_HEAD + "".join(map(write_env_group, GROUPS))


def write_env_group(group: type[Group]) -> str:
    """A group's variables, each below what it means."""
    lines = (
        f"# {one_line(field.description)}\n#CONVOY_{name.upper()}={show_default(field)}\n"
        for name, field in fields_of(group)
    )
    return f"\n# {group.__name__}: {one_line(group.__doc__)}\n" + "".join(lines)


def fields_of(group: type[Group]) -> Iterable[tuple[str, FieldInfo]]:
    """The settings of a group, in order."""
    return group.model_fields.items()


def one_line(docstring: str | None) -> str:
    """A docstring without its line breaks: a table's row is one line, and so is a comment."""
    return " ".join((docstring or "").split())


def write_readme() -> str:
    """README.md with its table of models as measured."""
    folders = sorted(path.parent for path in (ROOT / "exported_models").glob("*/*/manifest.json"))
    manifests = [load_manifest(folder) for folder in folders]
    rows = "".join(describe_model(manifest) for manifest in manifests if manifest.metrics)
    kernels = [manifest.name for manifest in manifests if not manifest.metrics]
    rows += f"| [{len(kernels)} kernels](docs/imaging.md#kernels) | picture to picture, kernels | exact | tables |\n"
    table = "<!-- models -->\n| model | what | measured | on |\n|---|---|---|---|\n" + rows + "<!-- /models -->"
    return re.sub(
        r"<!-- models -->.*<!-- /models -->", lambda _: table, (ROOT / "README.md").read_text(), flags=re.DOTALL
    )


def describe_model(manifest: Manifest) -> str:
    """One row: the model's first metric, as measured."""
    metric = manifest.metrics[0]
    link = f"[{manifest.name}](exported_models/{manifest.name}/{manifest.version}/)"
    task = manifest.task.value.replace("_", " ")
    source = f"{metric.dataset}, {metric.split}, n = {metric.n:,}"
    return f"| {link} | {task}, {manifest.architecture} | {metric.name} {metric.value:.4f} | {source} |\n"


def write_catalogue() -> str:
    """What the console's page Models lists: each entry with the command that pulls it."""
    entries = sorted(bundled_catalogue().entries.values(), key=lambda entry: (entry.task.value, entry.name))
    models = [
        {
            "name": entry.name,
            "task": entry.task.value,
            "title": entry.title,
            "accuracy": entry.accuracy,
            "licence": " / ".join(dict.fromkeys((entry.licences.code, entry.licences.weights))),
        }
        for entry in entries
    ]
    return json.dumps(models, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    (folder / "docs").mkdir(exist_ok=True)
    (folder / CATALOGUE).parent.mkdir(parents=True, exist_ok=True)
    (folder / CATALOGUE).write_text(write_catalogue())
    (folder / "docs" / "configuration.md").write_text(write_page())
    (folder / ".env.example").write_text(write_env())
    (folder / "README.md").write_text(write_readme())
