"""The files that deploy Convoy, as far as they can be judged without starting anything."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from convoy.core.api import API, METRICS_PORT_OFFSET, WEB_PORT

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILES = sorted([ROOT / "docker-compose.yml", *ROOT.glob("compose.*.yaml")])
OBSERVABILITY = ROOT / "observability"
COLLECTOR = yaml.safe_load((OBSERVABILITY / "collector.yml").read_text())
DASHBOARD = json.loads((OBSERVABILITY / "grafana" / "convoy.json").read_text())
RULES = yaml.safe_load((OBSERVABILITY / "rules.yml").read_text())["groups"][0]["rules"]


def compose_services() -> list[tuple[str, str, dict[str, Any]]]:
    """(file, service, what it is) of every service that a Compose file adds."""
    return [
        (path.name, name, service)
        for path in COMPOSE_FILES
        for name, service in yaml.safe_load(path.read_text())["services"].items()
        if "command" in service or "image" in service
    ]


NEW = [entry for entry in compose_services() if entry[0] in ("docker-compose.yml", "compose.observability.yaml")]


@pytest.mark.parametrize(("file", "name", "service"), [e for e in NEW if "image" in e[2]], ids=lambda e: str(e)[:40])
def test_every_container_is_hardened_and_limited(file: str, name: str, service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["restart"] in ("unless-stopped", "no")


def images() -> list[str]:
    """Every image that is pulled, its variable replaced by the default."""
    named = [service["image"] for _, _, service in compose_services() if "image" in service]
    python = re.findall(r"ARG PYTHON_IMAGE=(\S+)", (ROOT / "services" / "Dockerfile").read_text())
    defaults = [re.sub(r"\$\{[A-Z_]+:-(.*?)\}", r"\1", image) for image in [*named, *python]]
    return sorted({image for image in defaults if not image.startswith("convoy:")})


def test_every_image_is_pinned_by_a_version() -> None:
    assert len(images()) == 6
    assert [image for image in images() if not re.search(r":v?\d", image)] == []


def test_env_example_names_every_variable_of_the_compose_files() -> None:
    used = {name for path in COMPOSE_FILES for name in re.findall(r"\$\{([A-Z_]+)", path.read_text())}
    listed = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert used - listed == set()


def test_an_image_can_hold_no_secret_of_the_checkout() -> None:
    """What Docker may copy is the folder services alone: .env and secrets/ lie beside it."""
    contexts = {
        service["build"]["context"] for _, _, service in compose_services() if "context" in service.get("build", {})
    }
    assert contexts == {"services"}
    secret = re.compile(r"\.env|\.pem$|\.key$|\.crt$|(^|\.)(tokens?|password)$")
    files = subprocess.run(["git", "ls-files", "services"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [file for file in files.split() if secret.search(Path(file).name)] == []


def test_the_collector_s_pipelines_are_made_of_what_is_defined() -> None:
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(COLLECTOR[kind])
            assert pipeline[kind]
    assert set(COLLECTOR["service"]["extensions"]) == set(COLLECTOR["extensions"])


def test_spans_are_sent_where_the_collector_listens_and_from_there_to_jaeger() -> None:
    compose = yaml.safe_load((ROOT / "compose.observability.yaml").read_text())
    port = COLLECTOR["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].rpartition(":")[2]
    for service in ("classification", "detection", "segmentation", "faces", "recognition", "imaging"):
        assert f"http://collector:{port}}}" in compose["services"][service]["environment"]["CONVOY_OTLP_ENDPOINT"]
    assert COLLECTOR["exporters"]["otlp"]["endpoint"].partition(":")[0] in compose["services"]
    jobs = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs}
    (reader,) = COLLECTOR["service"]["telemetry"]["metrics"]["readers"]
    assert ports["collector"] == reader["pull"]["exporter"]["prometheus"]["port"]


def test_grafana_is_given_the_dashboard_and_the_sources_that_it_asks() -> None:
    sources = yaml.safe_load((OBSERVABILITY / "grafana" / "datasources.yml").read_text())["datasources"]
    known = {(source["type"], source["uid"]) for source in sources}
    panels = DASHBOARD["panels"]
    asked = {(one["datasource"]["type"], one["datasource"]["uid"]) for one in panels}
    assert asked and asked <= known
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in panels if not panel["targets"]] == []
    compose = yaml.safe_load((ROOT / "compose.observability.yaml").read_text())["services"]
    assert [s["name"] for s in sources if s["url"].split("/")[2].split(":")[0] not in compose] == []
    (provider,) = yaml.safe_load((OBSERVABILITY / "grafana" / "dashboards.yml").read_text())["providers"]
    (mount,) = [volume for volume in compose["grafana"]["volumes"] if "grafana/convoy.json" in volume]
    assert Path(mount.split(":")[1]).parent == Path(provider["options"]["path"])


def test_every_service_and_the_web_door_are_scraped_and_missed() -> None:
    jobs = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs}
    (down,) = [rule["expr"] for rule in RULES if rule["alert"] == "ServiceDown"]
    for name, entry in API.items():
        assert ports[name] == entry.port + METRICS_PORT_OFFSET
        assert f'absent(up{{job="{name}"}})' in down
    assert ports["web"] == WEB_PORT + METRICS_PORT_OFFSET and 'absent(up{job="web"})' in down


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_its_section_in_the_runbook(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    sections = re.split(r"^## ", (ROOT / page).read_text(), flags=re.MULTILINE)[1:]
    texts = {section.partition("\n")[0].lower(): section for section in sections}
    assert anchor == rule["alert"].lower()
    assert len(texts[anchor].split()) > 30
    tested = yaml.safe_load((OBSERVABILITY / "rules_test.yml").read_text())["tests"]
    assert rule["alert"] in {case["alertname"] for test in tested for case in test["alert_rule_test"]}


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "services" / "convoy").rglob("*.py"))
    exported = set(re.findall(r'"(convoy_[a-z_]+)"', sources))
    asked = (OBSERVABILITY / "rules.yml").read_text() + (OBSERVABILITY / "grafana" / "convoy.json").read_text()
    names = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in re.findall(r"\bconvoy_[a-z_]+", asked)}
    assert names and names - exported == set()


def commands_of_redis() -> list[str]:
    """What starts Redis in Compose and in Kubernetes."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["redis"]["command"][0]
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "base" / "redis.yaml").read_text())
    pods = [document["spec"]["template"]["spec"] for document in documents if "template" in document.get("spec", {})]
    return [compose, *(pod["containers"][0]["args"][0] for pod in pods)]


@pytest.mark.parametrize("command", commands_of_redis(), ids=["Compose", "Kubernetes"])
def test_what_a_kill_left_of_a_log_rewrite_is_gone_before_redis_starts(command: str, tmp_path: Path) -> None:
    log = tmp_path / "appendonlydir"
    log.mkdir()
    left = [
        "temp-rewriteaof-42.aof",
        "temp-rewriteaof-bg-42.aof",
        "temp-42.rdb",
        "appendonlydir/temp-appendonly.aof.manifest",
    ]
    kept = ["appendonlydir/appendonly.aof.1.base.rdb", "appendonlydir/appendonly.aof.manifest"]
    for name in left + kept:
        (tmp_path / name).write_text("a template")
    before, starts, later = command.partition("# Recognition's user")
    assert starts and "exec redis-server" in later
    subprocess.run(["sh", "-euc", before.replace("/data", str(tmp_path))], check=True)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
