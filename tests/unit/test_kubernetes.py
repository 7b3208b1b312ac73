"""The Kubernetes objects: rendered by kustomize, checked by Kubernetes' schemas and against the services themselves."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from convoy.core.api import API, SERVICES
from convoy.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.27", "1.37")
PORTS = {service: API[service].port for service in SERVICES}
CUSTOM = {"ServiceMonitor", "ServingRuntime", "InferenceService"}  # not Kubernetes' own
OVERLAYS = ("base", "overlays/production")

pytestmark = pytest.mark.kubectl


@cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    done = subprocess.run(["kubectl", "kustomize", FOLDER / overlay], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def find(overlay: str, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in rendered(overlay) if one["kind"] == kind}


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    """What runs, by name: the pod of each Deployment and StatefulSet."""
    owners = find(overlay, "Deployment") | find(overlay, "StatefulSet")
    return {name: owner["spec"]["template"] for name, owner in owners.items()}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_keeps_its_schema(overlay: str, version: str) -> None:
    checked = [one for one in rendered(overlay) if one["kind"] not in CUSTOM]
    assert len(checked) >= 29
    for one in checked:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_wrong_object_would_be_found() -> None:
    broken = yaml.safe_load(yaml.safe_dump(find("base", "Deployment")["faces"]))
    broken["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_has_all_that_keeps_it_up(overlay: str) -> None:
    for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert set(PORTS) <= set(find(overlay, kind)), kind
    for name, service in find(overlay, "Service").items():
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["selector"].items() <= pods(overlay)[name]["metadata"]["labels"].items()
    claims = find(overlay, "StatefulSet")["redis"]["spec"]["volumeClaimTemplates"]
    assert [claim["metadata"]["name"] for claim in claims] == ["data"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted_and_limited(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert {"cpu", "memory"} == set(container["resources"]["limits"]) == set(container["resources"]["requests"])
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert ":" in container["image"] and not container["image"].endswith(":latest")


def test_probes_and_services_ask_where_the_service_listens() -> None:
    for name, port in PORTS.items():
        (container,) = pods("base")[name]["spec"]["containers"]
        assert container["args"] == ["serve", name]
        assert {probe: container[probe]["grpc"]["port"] for probe in ("startupProbe", "readinessProbe")} == {
            "startupProbe": port,
            "readinessProbe": port,
        }
        assert container["livenessProbe"]["grpc"] == {"port": port, "service": "liveness"}
        assert {p["name"]: p["containerPort"] for p in container["ports"]} == {"grpc": port, "metrics": port + 1000}
        assert {p["port"] for p in find("base", "Service")[name]["spec"]["ports"]} == {port, port + 1000}


def test_with_tls_the_probes_speak_it() -> None:
    for name, port in PORTS.items():
        (container,) = pods("overlays/production")[name]["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe"):
            assert "grpc" not in container[probe]
            assert container[probe]["exec"]["command"] == ["python", "-m", "convoy.fleet.health_check", name, str(port)]
        assert "grpc" not in container["livenessProbe"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_known_variables_are_set(overlay: str) -> None:
    known = {f"CONVOY_{name.upper()}" for name in Settings.model_fields}
    names = {key for config in find(overlay, "ConfigMap").values() for key in config["data"]}
    names |= {
        env["name"] for pod in pods(overlay).values() for c in pod["spec"]["containers"] for env in c.get("env", [])
    }
    assert names and names <= known


def test_autoscalers_ask_for_what_the_adapter_gives_and_the_services_export() -> None:
    (rule,) = yaml.safe_load((FOLDER / "components" / "prometheus" / "adapter.yaml").read_text())["rules"]["custom"]
    sources = "".join(path.read_text() for path in (ROOT / "services" / "convoy" / "core").glob("*.py"))
    for scaler in find("base", "HorizontalPodAutoscaler").values():
        (metric,) = scaler["spec"]["metrics"]
        name = metric["pods"]["metric"]["name"]
        assert name in rule["seriesQuery"] and f'"{name}"' in sources
    assert {s["spec"]["scaleTargetRef"]["name"] for s in find("base", "HorizontalPodAutoscaler").values()} == set(PORTS)


def test_only_recognition_reaches_redis() -> None:
    policy = find("base", "NetworkPolicy")["redis"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "redis"}}
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "recognition"}}}]


def test_the_service_monitor_finds_the_services() -> None:
    (monitor,) = find("overlays/production", "ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    found = {
        name for name, s in find("overlays/production", "Service").items() if wanted <= s["metadata"]["labels"].items()
    }
    assert set(PORTS) <= found
    assert monitor["spec"]["endpoints"][0]["port"] == "metrics"


def test_the_web_door_has_a_version_and_is_found_by_the_monitor() -> None:
    """A component's objects are not changed by the base's images and labels: they carry their own."""
    web = {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "components" / "web" / "web.yaml").read_text())}
    (monitor,) = find("overlays/production", "ServiceMonitor").values()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= web["Service"]["metadata"]["labels"].items()
    (base,) = {one["spec"]["containers"][0]["image"] for name, one in pods("base").items() if name in PORTS}
    assert web["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] == base


def test_only_recognition_has_its_own_token() -> None:
    holders, mounted = set(), {}
    for name, pod in pods("overlays/production").items():
        for volume in pod["spec"].get("volumes", ()):
            if (secret := volume.get("secret", {})).get("secretName") == "convoy-tokens":
                assert "items" in secret, f"{name} mounts every token"
                mounted.setdefault(name, set()).update(item["key"] for item in secret["items"])
        for variable in pod["spec"]["containers"][0].get("env", ()):
            if variable["name"] == "CONVOY_CLIENT_TOKEN_FILE":
                holders.add(name)
                mounts = {one["name"]: one["mountPath"] for one in pod["spec"]["containers"][0]["volumeMounts"]}
                assert variable["value"].rpartition("/")[0] == mounts["convoy-own-token"]
    assert holders == {"recognition"}
    assert set(SERVICES) <= set(mounted)
    assert {name for name, keys in mounted.items() if "recognition.token" in keys} == {"recognition"}
