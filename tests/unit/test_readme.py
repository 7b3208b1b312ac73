"""What README and the other pages tell people to do exists."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
import typer.main
from click import Command, Group
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.core import telemetry
from convoy.recognition.search import follower
from convoy.recognition.use_cases import consistency, expiry, growth
from prometheus_client import Counter, Gauge, Histogram

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "llms.txt", *ROOT.glob("docs/**/*.md")]
README = (ROOT / "README.md").read_text()


def commands(tool: str) -> Iterator[list[str]]:
    """The words after `tool` in every command line of the pages."""
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words = words[1:]
                if words and words[0].rpartition("/")[2] == tool:
                    yield list(takewhile(lambda word: word not in (">", "|", "&&"), words[1:]))


def test_the_first_screen_names_the_two_commands() -> None:
    assert next(commands("make")) == ["demo"]
    assert ["compose", "up", "--wait"] in list(commands("docker"))


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for words in commands("make")} | set(re.findall(r"`make ([a-z]+)`", README))
    assert named <= targets


def find(words: list[str]) -> tuple[Command, list[str]]:
    """The command that the words call, and the words that are left for it."""
    command: Command = typer.main.get_command(app)
    while isinstance(command, Group):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("line", sorted({shlex.join(words) for words in commands("convoy")}))
def test_every_convoy_command_is_understood(line: str) -> None:
    command, rest = find(shlex.split(line))
    command.make_context(command.name, rest).close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_python_example_runs_on_the_client_as_it_is() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    methods = re.findall(r"convoy\.([a-z_]+)\(", example)
    compile(example, "README.md", "exec")
    assert [name for name in methods if not hasattr(Convoy, name)] == []


def test_compose_files_named_exist() -> None:
    named = {word for words in commands("docker") for word in words if word.endswith((".yml", ".yaml"))}
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_alerts_watch_metrics_that_exist() -> None:
    values = [value for module in (telemetry, consistency, expiry, follower, growth) for value in vars(module).values()]
    collectors = [value for value in values if isinstance(value, Counter | Gauge | Histogram)]
    names = {metric.name for collector in collectors for metric in collector.collect()}
    files = ("observability/rules.yml", "observability/grafana/convoy.json")
    rules = "".join((ROOT / file).read_text() for file in files)
    watched = set(re.findall(r"\b(convoy_\w+?)(?:_total|_bucket|_count|_sum)?\{?[^\w]", rules))
    assert len(watched) > 1
    assert watched <= names


def test_the_page_names_the_pinned_ports() -> None:
    ports = dict(re.findall(r"^\| (\w+) \| (\d{5}) \|", README, re.MULTILINE))
    compose = (ROOT / "docker-compose.yml").read_text()
    assert len(ports) == 6
    assert [name for name, port in ports.items() if f"{name.upper()}_PORT:-{port}}}:{port}" not in compose] == []
