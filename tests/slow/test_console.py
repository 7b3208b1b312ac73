"""`pytest tests/slow/test_console.py`: the console in Chromium, before a fleet of tiny models, told by clicks.

SCREENSHOTS=folder keeps what was seen.
"""

import io
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from convoy.fleet import Fleet, free_ports
from convoy.testing.pictures import encode, group, plain, portrait
from convoy.testing.tiny_models import write_repository
from PIL import Image

pytestmark = [pytest.mark.redis, pytest.mark.browser, pytest.mark.timeout(900)]
PATIENCE_S = 60
WIDTHS = (1280, 320)
HOSTILE = """<!doctype html><title>hostile</title><form id=f method=post enctype="multipart/form-data" target=frame
 action="{door}/v1/galleries/staff/people/evil"><input name=display_name value=evil></form><iframe name=frame></iframe>
<script>
const done = [], door = "{door}";
async function attack(name, init, path) {{
  try {{ const answer = await fetch(door + path, init); done.push(name + ":" + answer.type + ":" + answer.status); }}
  catch {{ done.push(name + ":blocked"); }}
}}
(async () => {{
  const form = new FormData();
  form.append("display_name", "evil");
  form.append("photos", new File([Uint8Array.from(atob("{photo}"), c => c.charCodeAt(0))], "a.png"));
  await attack("form", {{method: "POST", mode: "no-cors", body: form}}, "/v1/galleries/staff/people/evil");
  await attack("raw", {{method: "POST", mode: "no-cors", body: "x"}}, "/v1/detect");
  await attack("read", {{}}, "/v1/galleries");
  await attack("delete", {{method: "DELETE"}}, "/v1/galleries/staff");
  document.getElementById("f").submit();
  setTimeout(() => {{ document.title = done.join(" "); }}, 1500);
}})();
</script>"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    models, data = write_repository(tmp_path_factory.mktemp("models")), tmp_path_factory.mktemp("data")
    with Fleet(data, models, free_ports(), metrics=False, web_port=port) as running:
        yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, picture in {
        "ada": portrait(1),
        "ada2": portrait(1, noise=3),
        "grace": portrait(4),
        "both": group([1, 4]),
        "stranger": portrait(7),
        "nobody": plain(),
    }.items():
        (folder / f"{name}.png").write_bytes(encode(picture))
    # What the camera sees: a film of one frame. Chromium reads Motion JPEG, which is JPEGs one after the other.
    film = io.BytesIO()
    Image.fromarray(portrait(1, size=480)).resize((640, 480)).save(film, "JPEG", quality=95)
    (folder / "camera.mjpeg").write_bytes(film.getvalue())
    return folder


@pytest.fixture(scope="module")
def page(photos: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={photos / 'camera.mjpeg'}",
        "--host-resolver-rules=MAP rebound.example 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_context(locale="en-GB", permissions=["camera"]).new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        yield page
        browser.close()


class Console:
    """What a person sees and does."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.told: list[str] = []
        page.on("console", lambda message: self.told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.told.append(str(error)))

    def open(self, name: str) -> None:
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/#{name}")
        self.page.wait_for_selector("nav a[aria-current=page]")

    def text(self, selector: str = "body") -> str:
        return str(self.page.locator(selector).first.inner_text())

    def click(self, selector: str) -> None:
        self.page.click(selector)

    def click_text(self, word: str) -> None:
        self.page.locator("main button", has_text=word).first.click()

    def write(self, selector: str, text: str) -> None:
        self.page.fill(selector, text)

    def choose(self, selector: str, *files: Path) -> None:
        self.page.set_input_files(selector, files)

    def wait(self, condition: Callable[[], Any]) -> None:
        for _ in range(10 * PATIENCE_S):
            if condition():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("it did not come about")

    def wait_for(self, word: str, selector: str = "body") -> None:
        try:
            self.wait(lambda: self.page.locator(selector).count() and word in self.text(selector))
        except AssertionError:
            raise AssertionError(f"{word!r} is not in {self.text(selector)!r}") from None

    def wait_for_gallery(self, name: str) -> None:
        self.wait(lambda: self.page.locator("#gallery").input_value() == name)

    def check(self, name: str) -> None:
        """At two widths: no fault for screen readers, nothing wider than the window. Keeps a picture."""
        from axe_core_python.sync_playwright import Axe

        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            if folder := os.environ.get("SCREENSHOTS"):
                self.page.screenshot(path=Path(folder) / f"{name}-{width}.png")
            violations = Axe().run(self.page)["violations"]
            assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in violations] == [], (name, width)
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide in a window of {width}"


@pytest.fixture(scope="module")
def console(page: Any, fleet: Fleet) -> Console:
    return Console(page, fleet.web_url)


def test_the_whole_story_by_clicks(console: Console, photos: Path) -> None:
    # A gallery, and two people.
    console.open("people")
    console.write("#new-gallery", "staff")
    console.click("#make-gallery")
    console.wait_for_gallery("staff")
    for person, files in (("ada", ("ada", "ada2")), ("grace", ("grace",))):
        console.click("#enrol")
        console.write("#person-id", person)
        console.write("#display-name", f"{person.capitalize()} <b>L</b>")
        console.choose("#photos", *(photos / f"{name}.png" for name in files))
        console.click("#register")
        console.wait_for(f"registered with {len(files)} photos", "#status")
    assert "Ada <b>L</b>" in console.text("#people")  # what people type is text, not HTML
    # A photo without a face is refused, with the reason.
    console.click("#enrol")
    console.write("#person-id", "nobody")
    console.choose("#photos", photos / "nobody.png")
    console.click("#register")
    console.wait_for("no face was found", "#results")
    console.check("people")
    # Who is this? Two who are known, and a stranger, whom one registers on the spot.
    console.open("who")
    console.wait_for_gallery("staff")
    console.choose("#picture", photos / "both.png")
    console.wait_for("Ada", "#found")
    assert "Grace" in console.text("#found") and "reaches the threshold" in console.text("#found")
    console.choose("#picture", photos / "stranger.png")
    console.wait_for("Nobody known", "#found")
    console.check("who")
    console.click("#found summary")
    console.write("#found .person-id", "linus")
    console.click("#found form button")
    console.wait_for("linus", "#found h2")
    # The camera sees Ada.
    console.click_text("Look by camera")
    console.wait_for("Ada", "#found")
    console.click_text("Stop the camera")
    # Deletion asks first, and leaves a receipt.
    console.open("people")
    console.click_text("linus")
    console.click("#remove")
    console.check("question")
    console.click("#confirm")
    console.wait_for("was deleted with 1 faces", "#receipt")
    assert "linus" not in console.text("#people")
    console.click_text("Changes")
    console.wait_for("DeletePerson", "#detail")


def test_try_shows_each_task_and_sliders_need_no_new_call(console: Console, photos: Path) -> None:
    console.open("try")
    console.choose("#picture", photos / "both.png")
    console.wait_for("found in", "#status")
    assert "curl -F image=@photo.jpg" in console.text("#command")
    for task in ("detection", "classification", "segmentation"):
        console.page.select_option("#task", task)
        console.wait(lambda task=task: f"/v1/{task[:6]}" in console.text("#command"))  # type: ignore[misc]
        console.wait_for("found in", "#status")
    console.check("try")
    calls = "performance.getEntriesByType('resource').length"
    before = console.page.evaluate(calls)
    console.page.fill("#slider", "1")
    assert console.page.evaluate(calls) == before


def test_models_fleet_and_the_api_are_shown(console: Console) -> None:
    console.open("models")
    console.wait_for("CPUExecutionProvider")
    console.check("models")
    console.open("fleet")
    console.wait_for("recognition", "#services")
    assert "away" not in console.text("#services")
    console.check("fleet")
    console.page.goto(f"{console.url}/docs")
    console.wait_for("POST /v1/detect")
    console.check("docs")


def test_another_language(console: Console) -> None:
    console.open("fleet")
    console.page.evaluate("localStorage.setItem('convoy-language', 'de')")
    console.open("people")
    assert "Personen" in console.text("nav") and console.page.get_attribute("html", "lang") == "de"
    console.page.evaluate("localStorage.setItem('convoy-language', 'en')")


def test_nothing_was_refused_by_the_browser(console: Console, photos: Path) -> None:
    """No script or style that the policy forbids, and no error in the pages."""
    console.told.clear()
    for page in ("try", "who", "people", "models", "fleet"):
        console.open(page)
        console.page.wait_for_selector("main .card")
    assert console.told == []


def test_a_hostile_page_gets_nothing(console: Console, photos: Path, tmp_path: Path) -> None:
    import base64

    console.open("people")
    console.wait_for("Ada", "#people")
    photo = base64.b64encode((photos / "stranger.png").read_bytes()).decode()
    (tmp_path / "index.html").write_text(HOSTILE.format(door=console.url, photo=photo))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for host in ("localhost", "127.0.0.1"):  # another site, and another origin of the same site
            console.page.goto(f"http://{host}:{server.server_port}/")
            console.wait(lambda: "delete:" in console.page.title())
            assert console.page.title() == "form:blocked raw:blocked read:blocked delete:blocked"
        server.shutdown()
    port = console.url.rpartition(":")[2]
    console.page.goto(f"http://rebound.example:{port}/")
    assert "UNKNOWN_HOST" in console.text()
    console.open("people")
    console.wait_for("Ada", "#people")
    assert "evil" not in console.text("#people")
