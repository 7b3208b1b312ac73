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
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        reason = missing(mark.name)
        if reason and os.environ.get("CONVOY_REQUIRE_ALL"):
            pytest.fail(f"{reason}, and CONVOY_REQUIRE_ALL is set", pytrace=False)
        if reason:
            item.config.stash[LEFT_OUT][mark.name] += 1
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    yield
    if line := summarize(config.stash[LEFT_OUT]):
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
