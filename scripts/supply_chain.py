"""What the services are made of: services/constraints.txt, every package of the image with its version.

lock   writes that file: what services/pyproject.toml needs with the extras formats and web, as installed here
sbom   writes it as a CycloneDX document, build/sbom.cdx.json
audit  asks for known vulnerabilities. One that finds some ends with 1; one that could not ask says NOT AUDITED and ends
       with 0, or with 1 where REQUIRE_AUDIT=1 is set
"""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "services" / "constraints.txt"
EXTRAS = ("formats", "web")
"""The extras of the image."""


def closure(requirements: list[str]) -> dict[str, str]:
    """Every distribution that these need, directly or not, with its version as installed here."""
    found: dict[str, str] = {}
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if name in found and not needed.extras:
            continue
        found[name] = distribution(name).version
        for further in map(Requirement, distribution(name).requires or []):
            if further.marker is None or any(further.marker.evaluate({"extra": e}) for e in ("", *needed.extras)):
                waiting.append(further)
    return found


def lock() -> str:
    """What the services need as pip's constraints."""
    project = tomllib.loads((ROOT / "services" / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [one for extra in EXTRAS for one in project["optional-dependencies"][extra]]
    return "".join(f"{name}=={version}\n" for name, version in sorted(closure(wanted).items()))


def write_sbom() -> Path:
    """The constraints as a CycloneDX document."""
    path = ROOT / "build" / "sbom.cdx.json"
    path.parent.mkdir(exist_ok=True)
    pyproject = ROOT / "services" / "pyproject.toml"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--pyproject", str(pyproject)]
    subprocess.run([*command, "--output-reproducible", "--of", "JSON", "-o", str(path), str(CONSTRAINTS)], check=True)
    return path


def ask() -> dict[str, Any] | None:
    """What the vulnerability service says of each package; None where it says nothing."""
    tool = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command = [*tool, "--format", "json", "--requirement", str(CONSTRAINTS)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        print(done.stderr, file=sys.stderr)
        return None
    return report


def judge(report: dict[str, Any] | None) -> tuple[int, str]:
    """(exit code, what to say). A package that was skipped was not found by the service: it is not known to be good."""
    if report is None:
        return int(os.environ.get("REQUIRE_AUDIT") == "1"), "NOT AUDITED: the vulnerability service could not be asked"
    packages = report["dependencies"]
    bad = [(one["name"], one["version"], flaw["id"]) for one in packages for flaw in one.get("vulns", [])]
    if bad:
        return 1, "VULNERABLE: " + ", ".join(f"{name} {version} ({flaw})" for name, version, flaw in bad)
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    if skipped:
        said = f"NOT AUDITED: the vulnerability service knows nothing of {len(skipped)} of {len(packages)} packages"
        return int(os.environ.get("REQUIRE_AUDIT") == "1"), f"{said}: {', '.join(skipped)}"
    return 0, f"no known vulnerability in {len(packages)} packages"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["lock"]:
            CONSTRAINTS.write_text(lock())
        case ["sbom"]:
            print(write_sbom().relative_to(ROOT))
        case ["audit"]:
            code, sentence = judge(ask())
            print(sentence)
            sys.exit(code)
        case _:
            sys.exit(__doc__)
