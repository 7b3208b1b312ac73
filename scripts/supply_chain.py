"""What Convoy is made of: services/constraints.txt, the lock of images, CI and development.

lock   writes that file: what both distributions need, directly or not, as installed here; but for torch. image_locks.py
       writes locks/, what each image takes of it, with digests
image  prints what the image needs, one package==version a line; with words, what these extras need
sbom   writes what the image needs as a CycloneDX document, build/sbom.cdx.json
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


def project(folder: str) -> dict[str, Any]:
    """The table `project` of a distribution of this repository."""
    table: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return table


OWN = {canonicalize_name(project(folder)["name"]): project(folder) for folder in ("services", "training")}
IMAGE = ("formats", "recognition", "runtime", "web")


def closure(requirements: list[str]) -> dict[str, str]:
    """Every distribution of others that these need, directly or not, with its version as installed here."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        for extra in {"", *needed.extras} - {one for known, one in seen if known == name}:
            seen.add((name, extra))
            waiting += needs(name, extra)
        if name not in OWN:
            found[name] = distribution(name).version
    return found


def needs(name: str, extra: str) -> list[Requirement]:
    """What a distribution asks for, or what one of its extras adds. Ours are read from this repository's files."""
    if own := OWN.get(name):
        lines = own["optional-dependencies"][extra] if extra else own["dependencies"]
        return [one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate()]
    asked = map(Requirement, distribution(name).requires or [])
    return [one for one in asked if one.marker is None or one.marker.evaluate({"extra": extra})]


def lines(packages: dict[str, str]) -> str:
    """The packages as pip reads them, a line each."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))


def lock() -> str:
    """What both distributions need, as pip's constraints. The machine chooses torch, and Python brings setuptools."""
    packages = closure(["convoy-vision[demo,film]", "convoy-vision-training"])
    return lines({name: packages[name] for name in packages.keys() - {"torch", "setuptools"}})


def image(*extras: str) -> dict[str, str]:
    """What an installation with these extras holds; without one, what the image of all services holds."""
    return closure([f"convoy-vision[{','.join(extras or IMAGE)}]"])


def write_sbom() -> Path:
    """What the image needs as a CycloneDX document."""
    path, requirements = ROOT / "build" / "sbom.cdx.json", image_file()
    pyproject = ROOT / "services" / "pyproject.toml"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--pyproject", str(pyproject)]
    subprocess.run([*command, "--output-reproducible", "--of", "JSON", "-o", str(path), str(requirements)], check=True)
    return path


def image_file() -> Path:
    """Write what the image needs as pip's requirements, build/image.txt."""
    path = ROOT / "build" / "image.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines(image()))
    return path


def ask() -> dict[str, Any] | None:
    """What the vulnerability service says of each package; None where it says nothing."""
    tool = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command = [*tool, "--format", "json", "--requirement", str(image_file())]
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
        case ["image", *extras]:
            print(lines(image(*extras)), end="")
        case ["sbom"]:
            print(write_sbom().relative_to(ROOT))
        case ["audit"]:
            code, sentence = judge(ask())
            print(sentence)
            sys.exit(code)
        case _:
            sys.exit(__doc__)
