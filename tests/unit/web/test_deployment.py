"""The web door's part of the deployment files: where it finds the services, and who reaches it."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from convoy.core.api import API, METRICS_PORT_OFFSET, WEB_PORT

ROOT = Path(__file__).resolve().parents[3]
ADDRESSES = {f"CONVOY_{name.upper()}_ADDRESS": f"{name}:{api.port}" for name, api in API.items()}
KUBERNETES = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/components/web/web.yaml").read_text()))


def test_compose_publishes_it_on_loopback_apart_from_the_services() -> None:
    web = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["web"]
    assert web["command"] == ["serve", "web"]
    assert web["ports"][0] == f"${{WEB_BIND_ADDRESS:-127.0.0.1}}:${{WEB_PORT:-{WEB_PORT}}}:{WEB_PORT}"
    assert web["ports"][1].endswith(f":{WEB_PORT + METRICS_PORT_OFFSET}")
    assert web["volumes"] == []  # it reads no model
    addresses = {name: value for name, value in web["environment"].items() if name.endswith("_ADDRESS")}
    assert addresses.items() <= ADDRESSES.items() and len(addresses) >= 5


@pytest.mark.parametrize("version", ["1.27", "1.37"])
@pytest.mark.parametrize("one", KUBERNETES, ids=lambda one: one["kind"])
def test_each_object_of_kubernetes_keeps_its_schema(one: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


def test_kubernetes_runs_it_inside_the_cluster_alone() -> None:
    kinds = {one["kind"]: one for one in KUBERNETES}
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    addresses = {one["name"]: one["value"] for one in container["env"]}
    assert addresses.items() <= ADDRESSES.items() and len(addresses) >= 5
    assert container["ports"][0]["containerPort"] == WEB_PORT
    assert kinds["Service"]["spec"].get("type", "ClusterIP") == "ClusterIP"
    assert kinds["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = [api.port for api in API.values()]
    (egress,) = kinds["NetworkPolicy"]["spec"]["egress"][0]["ports"]
    assert egress["port"] == min(ports) and egress["endPort"] >= max(ports[:5])
