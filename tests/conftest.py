"""Leaves out tests whose needs this machine does not meet, and says so in one line at the end.

With CONVOY_REQUIRE_ALL=1, as in the gate, a need that is not met is a failure.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.needs import DATA, FOREIGN_MODELS, ROOT, missing, summarize

pytest_plugins = ["tests.redis_fixtures"]
# A busy machine takes longer for an example than the 200 ms after which Hypothesis fails it.
# As Hypothesis does by itself where CI is set: there every run draws the same, elsewhere each draws anew.
settings.register_profile("convoy", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("convoy")
# Two workers run these groups beside each other, in this order; the rest comes last. A group stays on one worker: its
# tests share a fleet, and those that start containers or services would only wait for each other.
GROUPS = {"e2e": ["e2e"], "training": ["unit/training"], "unit": ["unit"], "services": ["contract", "integration"]}
NEED = "left out for"


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.path)))
    order = [*GROUPS, "rest"]
    items.sort(key=lambda item: order.index(group_of(item.path)))


def group_of(path: Path) -> str:
    place = path.relative_to(ROOT / "tests").as_posix() if path.is_relative_to(ROOT / "tests") else ""
    return next((group for group, starts in GROUPS.items() if place.startswith(tuple(starts))), "rest")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        reason = missing(mark.name)
        if reason and os.environ.get("CONVOY_REQUIRE_ALL"):
            pytest.fail(f"{reason}, and CONVOY_REQUIRE_ALL is set", pytrace=False)
        if reason:
            item.user_properties.append((NEED, mark.name))
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    yield
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if report.when == "setup"]
    if line := summarize(
        Counter(str(need) for report in skipped for name, need in report.user_properties if name == NEED)
    ):
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def foreign_networks() -> Path:
    """The folder of networks that others published; tests that use it are marked `foreign`."""
    return FOREIGN_MODELS


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of photographs; tests that use it are marked `data`."""
    return DATA
