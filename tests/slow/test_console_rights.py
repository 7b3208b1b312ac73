"""`pytest tests/slow/test_console_rights.py`: the console shows no more than the caller's token allows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.client import Convoy
from convoy.core.security.tokens import append_line, make_token, write_line
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from convoy.testing.pictures import encode, portrait
from convoy.testing.tiny_models import write_repository

from tests.console import Console, browser_page, write_photos

pytestmark = [pytest.mark.redis, pytest.mark.browser, pytest.mark.timeout(900)]
SCOPES = {
    "owner": ("faces", "detection", "classification", "segmentation", "gallery:*:admin", "scores", "metrics"),
    "guard": ("gallery:staff:read",),
    "clerk": ("gallery:staff:write", "faces"),
    "viewer": ("detection",),
    "watcher": ("metrics",),
}
TOKENS = {name: make_token() for name in SCOPES}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    models, data = write_repository(tmp_path_factory.mktemp("models")), tmp_path_factory.mktemp("data")
    tokens = data / "tokens"
    for name, scopes in SCOPES.items():
        append_line(tokens, write_line(name, TOKENS[name], scopes))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONVOY_TOKENS_FILE", str(tokens))
        environment.setenv("CONVOY_CLIENT_TOKEN", TOKENS["owner"])
        with Fleet(data / "fleet", models, free_ports(), metrics=False, web_port=free_range(1)) as running:
            with running.client(timeout_s=60) as convoy:
                fill(convoy)
            yield running


def fill(convoy: Convoy) -> None:
    for gallery in ("staff", "secret"):
        convoy.create_gallery(gallery)
        convoy.register(gallery, "ada", [encode(portrait(1))])


@pytest.fixture
def console(fleet: Fleet, photos: Path) -> Iterator[Console]:
    with browser_page(photos) as page:
        yield Console(page, fleet.web_url)


def arrive(console: Console, name: str) -> list[str]:
    """Open the console with a token; gives the pages that it offers."""
    console.page.goto(f"{console.url}/icon.svg")
    console.page.evaluate(f"sessionStorage.setItem('convoy-token', '{TOKENS[name]}')")
    console.page.goto(f"{console.url}/")
    console.page.wait_for_selector("main h1")
    return [link.get_attribute("href") or "" for link in console.page.locator("nav a").all()][:-1]


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("owner", ["#try", "#who", "#people", "#models", "#fleet"]),
        ("guard", ["#who", "#people"]),
        ("viewer", ["#try", "#models"]),
        ("watcher", ["#fleet"]),
    ],
)
def test_pages_that_a_token_does_not_open_are_not_offered(console: Console, name: str, pages: list[str]) -> None:
    assert arrive(console, name) == pages


def test_a_stranger_is_asked_for_a_token(console: Console) -> None:
    console.page.goto(f"{console.url}/")
    console.wait_for("Your token, if this fleet asks for one", "main")
    assert console.page.locator("nav a").count() == 1
    console.check("stranger")


def test_who_may_only_look_sees_no_change_no_score_and_no_other_gallery(console: Console, photos: Path) -> None:
    arrive(console, "guard")
    console.open("people")
    console.wait_for("ada", "#people")
    assert console.page.locator("#gallery option").all_inner_texts() == ["staff"]
    console.page.locator("#people button").first.click()
    console.wait_for("Faces on record", "#detail")
    for selector in ("#enrol", "#remove", "#rename", "#audit-button", "#transfer-button", "#make-gallery"):
        assert console.page.locator(selector).count() == 0, selector
    console.open("who")
    console.wait_for_gallery("staff")
    console.choose("#picture", photos / "ada.png")
    console.wait_for("reaches the threshold", "#found")
    assert "The similarity reaches" in console.text("#found") and "Margin" not in console.text("#found")
    console.choose("#picture", photos / "stranger.png")
    console.wait_for("Nobody known", "#found")
    assert "Nearest" not in console.text("#found") and console.page.locator("#found form").count() == 0
    console.check("guard")


def test_who_may_write_gets_no_receipt_but_is_told_where_it_is(console: Console, photos: Path) -> None:
    arrive(console, "clerk")
    console.open("people")
    console.wait_for("ada", "#people")
    console.click("#enrol")
    console.write("#person-id", "grace")
    console.choose("#photos", photos / "grace.png")
    console.click("#register")
    console.wait_for("registered with 1 photos", "#status")
    assert console.text("#nearest") == ""  # near people are a score
    console.click("#remove")
    console.click("#confirm")
    console.wait_for("gets the receipt of version", "#detail")


def test_only_the_load_of_services_is_shown_to_who_watches(console: Console) -> None:
    arrive(console, "watcher")
    console.wait(lambda: console.text("#services").count(" ms") == 12)
    assert "staff" not in console.text() and "secret" not in console.text()
