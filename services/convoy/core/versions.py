"""Which Convoy is installed: its version, and whether another distribution owns the same files."""

from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, version

DISTRIBUTION = "convoy-vision"
# What the distribution was called until 0.1, and what another project on the package index is called.
FORMER = "convoy"


def convoy_version() -> str:
    """The version of the installed distribution, such as 0.1.0; "unknown" if none is installed."""
    for name in (DISTRIBUTION, FORMER):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


def shadowing_distribution() -> str | None:
    """Say that a distribution `convoy` is installed beside this one, and what to do; None if there is none."""
    if FORMER not in packages_distributions().get("convoy", []):
        return None
    found = distribution(FORMER)
    return (
        f"the distribution {FORMER} {found.version} is installed beside {DISTRIBUTION}; both own the package convoy: "
        f"pip uninstall {FORMER}, then pip install --force-reinstall --no-deps {DISTRIBUTION}"
    )
