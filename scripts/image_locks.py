"""What each image installs, by version and digest: writes services/locks/*.txt. It asks the package index.

pip says which files it would take on Linux, on x86_64 and on aarch64, at the versions of services/constraints.txt;
`pip install --require-hashes` then takes these and no others. What one service needs is part of what all need. The
targets gpu and tools of services/Dockerfile have no lock yet: they install by the versions alone.
"""

import json
import subprocess
import sys
from typing import Any

from packaging.utils import canonicalize_name

from scripts.supply_chain import ROOT, closure

LOCKS = ROOT / "services" / "locks"
# The extras of each image; services/Dockerfile has a target for each.
IMAGES = {
    "all": ("formats", "recognition", "runtime", "web"),
    "recognition": ("recognition",),
    "vision": ("formats", "runtime"),
    "web": ("web",),
}
# redis needs this before Python 3.11.3, and Debian 12 has 3.11.2.
BEFORE_3_11_3 = {"redis": {"async-timeout": "5.0.1"}}
PYTHON = "3.11"
# The names of glibc's versions that wheels carry, up to that of Debian 12.
MANYLINUX = ("2014", *(f"_2_{minor}" for minor in (17, 24, 26, 27, 28, 31, 34, 35, 36)))


def packages_of(image: str) -> dict[str, str]:
    """The version of every package of an image, by name."""
    found = closure([f"convoy-vision[{','.join(IMAGES[image])}]"])
    return found | {name: version for one in found for name, version in BEFORE_3_11_3.get(one, {}).items()}


def digests(machine: str, requirements: list[str]) -> dict[str, str]:
    """The sha256 of the file that pip would take for each name==version on such a machine."""
    platforms = [f"--platform=manylinux{form}_{machine}" for form in MANYLINUX]
    ways = ["--dry-run", "--ignore-installed", "--quiet", "--only-binary=:all:", "--target=/nowhere", *platforms]
    command = [sys.executable, "-m", "pip", "install", *ways, f"--python-version={PYTHON}", "--report=-"]
    done = subprocess.run([*command, "--no-deps", *requirements], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    taken: list[dict[str, Any]] = json.loads(done.stdout)["install"]
    return {
        f"{canonicalize_name(one['metadata']['name'])}=={one['metadata']['version']}": one["download_info"][
            "archive_info"
        ]["hashes"]["sha256"]
        for one in taken
    }


def lines(found: dict[str, set[str]]) -> str:
    """As pip reads them with --require-hashes."""
    return "".join(
        " \\\n    --hash=sha256:".join((name, *sorted(of_name))) + "\n" for name, of_name in sorted(found.items())
    )


def read(text: str) -> dict[str, set[str]]:
    """The digests of a lock, by name==version."""
    entries = (entry.split() for entry in text.replace("\\\n", " ").splitlines())
    return {name: {one.removeprefix("--hash=sha256:") for one in found} for name, *found in entries}


def write_all() -> None:
    """Ask for the digests of the image of all, and write it and its parts."""
    wanted = [f"{name}=={version}" for name, version in packages_of("all").items()]
    found = {name: set[str]() for name in wanted}
    for machine in ("x86_64", "aarch64"):
        for name, digest in digests(machine, wanted).items():
            found[name].add(digest)
    for image in IMAGES:
        part = {f"{name}=={version}" for name, version in packages_of(image).items()}
        (LOCKS / f"{image}.txt").write_text(lines({name: found[name] for name in part}))


if __name__ == "__main__":
    LOCKS.mkdir(exist_ok=True)
    write_all()
