"""What the image is made of is written down, and an audit that could not ask does not say that all is well."""

import itertools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from convoy.core.api import SERVICES
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import image_locks, supply_chain

ROOT = Path(__file__).resolve().parents[2]
# What Python runs at its start: pip-audit asks the service of the test in place of PyPI.
REDIRECT = """
import requests
request = requests.Session.request
def redirected(self, method, url, **more):
    return request(self, method, url.replace("https://pypi.org", "{service}"), **more)
requests.Session.request = redirected
"""
LOCKED = dict(line.split("==") for line in supply_chain.CONSTRAINTS.read_text().split())


def test_the_lock_names_every_package_of_the_image_as_installed_here() -> None:
    assert supply_chain.lock() == supply_chain.CONSTRAINTS.read_text(), "stale: run make proto"


def test_the_lock_agrees_with_the_dependencies() -> None:
    for folder in ("services", "training"):
        asked = supply_chain.project(folder)
        extras = dict(asked.get("optional-dependencies", {}))
        # These need what development does without: a GPU, TensorFlow, and others' places for curves and searches.
        for name in ("gpu", "tflite", "mlflow", "sweep", "wandb"):
            extras.pop(name, None)
        for one in map(Requirement, itertools.chain(asked["dependencies"], *extras.values())):
            if one.name not in (*supply_chain.OWN, "convoy-vision-models", "torch"):
                assert LOCKED[canonicalize_name(one.name)] in one.specifier, str(one)


@pytest.mark.parametrize("image", image_locks.IMAGES)
def test_a_lock_of_an_image_has_its_packages_and_a_digest_of_each(image: str) -> None:
    found = image_locks.read((image_locks.LOCKS / f"{image}.txt").read_text())
    assert set(found) == {f"{name}=={version}" for name, version in image_locks.packages_of(image).items()}, "stale"
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digests in found.values() for digest in digests)
    assert all(found.values())


def test_an_image_installs_nothing_that_its_lock_has_no_digest_of() -> None:
    dockerfile = (ROOT / "services" / "Dockerfile").read_text()
    installs = re.findall(r"pip (?:--python \S+ )?install (.*)", dockerfile)
    by_lock = {line.rpartition("/")[2] for line in installs if line.startswith("--require-hashes -r /build/")}
    assert by_lock == {f"{image}.txt" for image in image_locks.IMAGES}
    by_version = ("setuptools==", '"/build[formats,gpu', "-r /build/import.txt")
    others = [line for line in installs if not line.startswith(("--require-hashes", *by_version))]
    assert all("--no-deps --no-index" in line for line in others)
    assert all(line.endswith("-c /build/constraints.txt") for line in installs if line.startswith(by_version[1:]))


def test_each_service_has_an_image_with_only_what_it_needs() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", (ROOT / "services" / "Dockerfile").read_text(), re.MULTILINE)
    assert {*SERVICES, "web", "cpu", "gpu", "tools"} <= {name for _, name in stages}
    needed = {image: set(image_locks.packages_of(image)) for image in image_locks.IMAGES}
    assert not needed["vision"] & {"faiss-cpu", "redis", "starlette"} and "onnxruntime" in needed["vision"]
    assert not needed["recognition"] & {"onnxruntime", "starlette"} and "faiss-cpu" in needed["recognition"]
    assert not needed["web"] & {"onnxruntime", "faiss-cpu", "redis"} and "starlette" in needed["web"]


def test_the_sbom_lists_them_all() -> None:
    components = json.loads(supply_chain.write_sbom().read_text())["components"]
    assert {(one["name"], one["version"]) for one in components} == set(supply_chain.image().items())
    assert set(supply_chain.image().items()) < set(LOCKED.items())
    assert all(one["purl"].startswith("pkg:pypi/") for one in components)


@pytest.mark.parametrize(
    ("report", "required", "code", "words"),
    [
        (None, "", 0, "NOT AUDITED"),
        (None, "1", 1, "NOT AUDITED"),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, "1", 0, "no known vulnerability in 1"),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, "", 0, "NOT AUDITED: .* 1 of 1 packages: a"),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, "1", 1, "NOT AUDITED"),
        (
            {
                "dependencies": [
                    {"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]},
                    {"name": "b", "skip_reason": "-"},
                ]
            },
            "",
            1,
            r"VULNERABLE: a 1 \(CVE-1\)",
        ),
    ],
)
def test_what_an_audit_says(
    report: dict[str, Any] | None, required: str, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_AUDIT", required)
    assert supply_chain.judge(report)[0] == code
    assert re.match(words, supply_chain.judge(report)[1])


class PackageIndex(BaseHTTPRequestHandler):
    """PyPI as far as pip-audit asks it. Class attribute bad: the package that has a flaw, "" for none."""

    bad = ""

    def do_GET(self) -> None:
        package = self.path.split("/")[2]
        flaw = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fixed_in": ["999"], "details": "a hole", "link": "-"}
        body = json.dumps({"vulnerabilities": [flaw] if package == self.bad else []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), PackageIndex) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("bad", "code", "words"),
    [
        ("pillow", 1, r"VULNERABLE: pillow \S+ \(PYSEC-1\)"),
        ("", 0, f"no known vulnerability in {len(supply_chain.image())} packages"),
    ],
)
def test_the_command_fails_when_the_service_knows_of_a_flaw(
    bad: str, code: int, words: str, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PackageIndex, "bad", bad)
    (tmp_path / "sitecustomize.py").write_text(REDIRECT.format(service=index))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PIP_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, ROOT / "scripts" / "supply_chain.py", "audit"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert re.fullmatch(words, done.stdout.strip())
