"""`pytest tests/slow/test_console.py`: the console in Chromium, before a fleet of tiny models, told by clicks.

SCREENSHOTS=folder keeps what was seen.
"""

import io
import os
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
def browser(photos: Path) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--lang=en",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={photos / 'camera.mjpeg'}",
        "--host-resolver-rules=MAP rebound.example 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
    driver.set_script_timeout(PATIENCE_S)
    yield driver
    driver.quit()


class Console:
    """What a person sees and does."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self, page: str) -> None:
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}/#{page}")
        self.wait(lambda: self.one("nav a[aria-current=page]"))

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def text(self, selector: str = "body") -> str:
        return str(self.one(selector).text)

    def click(self, selector: str) -> None:
        self.wait(lambda: self.one(selector).is_displayed())
        self.one(selector).click()

    def click_text(self, word: str) -> None:
        self.wait(lambda: self.button(word))
        self.button(word).click()

    def button(self, word: str) -> Any:
        return self.browser.find_element("xpath", f"//main//button[contains(., '{word}')]")

    def choose(self, selector: str, *files: Path) -> None:
        self.one(selector).send_keys("\n".join(map(str, files)))

    def wait(self, condition: Callable[[], Any]) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        errors = (StaleElementReferenceException, WebDriverException)
        return WebDriverWait(self.browser, PATIENCE_S, 0.1, errors).until(lambda _: condition())

    def wait_for(self, word: str, selector: str = "body") -> None:
        try:
            self.wait(lambda: word in self.text(selector))
        except Exception:
            raise AssertionError(f"{word!r} is not in {self.text(selector)!r}") from None

    def check(self, name: str) -> None:
        """At two widths: no fault for screen readers, nothing wider than the window. Keeps a picture."""
        from axe_core_python.selenium import Axe

        for width in WIDTHS:
            self.browser.set_window_size(max(width, 500), 900)
            self.browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
            )
            violations = Axe().run(self.browser)["violations"]
            assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in violations] == [], (name, width)
            wide = self.browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide in a window of {width}"
            if folder := os.environ.get("SCREENSHOTS"):
                Path(folder).mkdir(parents=True, exist_ok=True)
                self.browser.save_screenshot(str(Path(folder) / f"{name}-{width}.png"))


@pytest.fixture(scope="module")
def console(browser: Any, fleet: Fleet) -> Console:
    return Console(browser, fleet.web_url)


def test_the_whole_story_by_clicks(console: Console, photos: Path) -> None:
    # A gallery, and two people.
    console.open("people")
    console.one("#new-gallery").send_keys("staff")
    console.click("#make-gallery")
    console.wait(lambda: console.one("#gallery").get_attribute("value") == "staff")
    for person, files in (("ada", ("ada", "ada2")), ("grace", ("grace",))):
        console.click("#enrol")
        console.one("#person-id").send_keys(person)
        console.one("#display-name").send_keys(f"{person.capitalize()} <b>L</b>")
        console.choose("#photos", *(photos / f"{name}.png" for name in files))
        console.click("#register")
        console.wait_for(f"registered with {len(files)} photos", "#status")
    assert "Ada <b>L</b>" in console.text("#people")  # what people type is text, not HTML
    # A photo without a face is refused, with the reason.
    console.click("#enrol")
    console.one("#person-id").send_keys("nobody")
    console.choose("#photos", photos / "nobody.png")
    console.click("#register")
    console.wait_for("no face was found", "#results")
    console.check("people")
    # Who is this? Two who are known, and a stranger, whom one registers on the spot.
    console.open("who")
    console.wait(lambda: console.one("#gallery").get_attribute("value") == "staff")
    console.choose("#picture", photos / "both.png")
    console.wait_for("Ada", "#found")
    assert "Grace" in console.text("#found") and "reaches the threshold" in console.text("#found")
    console.choose("#picture", photos / "stranger.png")
    console.wait_for("Nobody known", "#found")
    console.check("who")
    console.one("#found summary").click()
    console.one("#found .person-id").send_keys("linus")
    console.one("#found form button").click()
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
        console.browser.execute_script(
            "const t = document.getElementById('task'); t.value = arguments[0]; t.dispatchEvent(new Event('change'))",
            task,
        )
        console.wait(lambda task=task: f"/v1/{task[:6]}" in console.text("#command"))  # type: ignore[misc]
        console.wait_for("found in", "#status")
    console.check("try")
    calls = "return performance.getEntriesByType('resource').length"
    before = console.browser.execute_script(calls)
    console.browser.execute_script(
        "const s = document.getElementById('slider'); s.value = 1; s.dispatchEvent(new Event('input'))"
    )
    assert console.browser.execute_script(calls) == before


def test_models_fleet_and_the_api_are_shown(console: Console) -> None:
    console.open("models")
    console.wait_for("CPUExecutionProvider")
    console.check("models")
    console.open("fleet")
    console.wait_for("recognition", "#services")
    assert "away" not in console.text("#services")
    console.check("fleet")
    console.browser.get(f"{console.url}/docs")
    console.wait_for("POST /v1/detect")
    console.check("docs")


def test_another_language(console: Console) -> None:
    console.open("fleet")
    console.browser.execute_script("localStorage.setItem('convoy-language', 'de')")
    console.open("people")
    assert "Personen" in console.text("nav") and console.one("html").get_attribute("lang") == "de"
    console.browser.execute_script("localStorage.setItem('convoy-language', 'en')")


def test_nothing_was_refused_by_the_browser(console: Console, photos: Path) -> None:
    """No script or style that the policy forbids, and no error in the pages."""
    console.browser.get_log("browser")
    for page in ("try", "who", "people", "models", "fleet"):
        console.open(page)
        console.wait(lambda: console.one("main .card"))
    told = [entry["message"] for entry in console.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert told == []


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
            console.browser.get(f"http://{host}:{server.server_port}/")
            console.wait(lambda: "delete:" in console.browser.title)
            assert console.browser.title == "form:opaque:0 raw:opaque:0 read:blocked delete:blocked"
        server.shutdown()
    port = console.url.rpartition(":")[2]
    console.browser.get(f"http://rebound.example:{port}/")
    assert "UNKNOWN_HOST" in console.text()
    console.open("people")
    console.wait_for("Ada", "#people")
    assert "evil" not in console.text("#people")
