"""Leaves out tests whose needs this machine does not meet, and says so in one line at the end.

With CONVOY_REQUIRE_ALL=1, as in the gate, a need that is not met is a failure.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from convoy.core.machine import available_cores
from hypothesis import settings

from tests.needs import DATA, FOREIGN_MODELS, ROOT, missing, summarize

# Workers share the cores. With two threads in each, which spin against the others, training takes five times as long.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // int(workers))))

pytest_plugins = ["tests.redis_fixtures"]
# A busy machine takes longer for an example than the 200 ms after which Hypothesis fails it.
# As Hypothesis does by itself where CI is set: there every run draws the same, elsewhere each draws anew.
settings.register_profile("convoy", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("convoy")
# A fleet that runs in the test's own process keeps its lines out of what a command beside it prints.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
# Two workers run these groups beside each other, in this order; the rest comes last. A group stays on one worker: its
# tests share a fleet, and those that start containers or services would only wait for each other. Published models are
# measured without any of these, so whichever worker is done first does it.
GROUPS = {
    "e2e": ["e2e"],
    "training": ["unit/training"],
    "unit": ["unit"],
    "services": ["contract", "integration"],
    "published": ["integration/test_published_metrics"],
}
NEED = "left out for"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = [*GROUPS, "rest"]
    items.sort(key=lambda item: order.index(group_of(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    # xdist 3.8 knows groups by a mark (--dist=loadgroup), but not with pytest 9.2, whose test ids it cannot change.
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def group_of(nodeid: str) -> str:
    """The group of a test: the one that names most of its path."""
    place = nodeid.removeprefix("tests/")
    named = [(len(start), group) for group, starts in GROUPS.items() for start in starts if place.startswith(start)]
    return max(named, default=(0, "rest"))[1]


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
