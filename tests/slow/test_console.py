"""`pytest tests/slow/test_console.py`: the console in Chromium, before a fleet of tiny models, told by clicks."""

import hashlib
import html
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from convoy.testing.pictures import encode, plain
from convoy.testing.tiny_models import write_repository

from tests.console import Console, browser_page, write_photos
from tests.instance_models import write_masked_detector
from tests.web_door import Door

pytestmark = [pytest.mark.redis, pytest.mark.browser, pytest.mark.timeout(900)]
PIXEL = """([x, y]) => {
    const canvas = document.querySelector(".drop canvas");
    return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].join();
}"""
CANVAS = "document.querySelector('.drop canvas').toDataURL()"
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
    models, data = write_repository(tmp_path_factory.mktemp("models")), tmp_path_factory.mktemp("data")
    write_masked_detector(models)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONVOY_ADMIN", "true")
        with Fleet(data, models, free_ports(), metrics=False, web_port=free_range(1)) as running:
            yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def page(photos: Path) -> Iterator[Any]:
    with browser_page(photos) as opened:
        yield opened


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
    console.wait_for("DeletePerson", "#receipt-page")
    with console.page.expect_download() as saved:
        console.click("#save-receipt")
    receipt = Path(saved.value.path()).read_text()
    hashed = html.unescape(re.findall("<pre>(.*?)</pre>", receipt)[0])
    assert hashlib.sha256(hashed.encode()).hexdigest() in receipt and '"person_id":"linus"' in hashed
    console.check("receipt")
    console.click("#audit-button")
    console.wait_for("DeletePerson", "#detail")
    console.check("changes")


def test_people_are_made_renamed_found_and_carried_to_another_gallery(console: Console, photos: Path) -> None:
    console.open("people")
    console.write("#new-gallery", "visitors")
    console.click("#make-gallery")
    console.wait_for_gallery("visitors")
    # A person without photos, who then gets another id.
    console.click("#enrol")
    console.write("#person-id", "joe")
    console.write("#display-name", "Joe")
    console.click("#register")
    console.wait_for("Nobody recognises this person", "#detail")
    console.write("#new-id", "joseph")
    console.click("#rename")
    console.wait_for("The id is joseph now", "#status")
    # Who is near is told when a photo is accepted; people are found by a part of their name, and by a face.
    for person, photo in (("ada", "ada"), ("grace", "grace")):
        console.click("#enrol")
        console.write("#person-id", person)
        console.choose("#photos", photos / f"{photo}.png")
        console.click("#register")
        console.wait_for("registered with 1 photos", "#status")
    console.wait_for("Nearest: ada", "#nearest")
    face = console.page.evaluate(
        "async () => (await (await fetch('/v1/galleries/visitors/people/ada')).json()).person.faces[0].face_id"
    )
    console.write("#face-id", face)
    console.click("#find-face")
    console.wait_for("ada", "#detail h2")
    console.write("#search", "JOS")
    console.wait(lambda: "grace" not in console.text("#people"))
    assert "Joe" in console.text("#people")
    console.write("#tags", "nobody has this")
    console.wait_for("Nobody is like that", "#people")
    console.write("#search", "")
    console.write("#tags", "")
    console.wait_for("grace", "#people")
    console.check("person")
    # Out as a file with a passphrase, and into another gallery.
    console.click("#transfer-button")
    console.write("#passphrase", "grün und blau")
    with console.page.expect_download() as saved:
        console.click("#export")
    console.check("transfer")
    console.write("#new-gallery", "guests")
    console.click("#make-gallery")
    console.wait_for_gallery("guests")
    console.click("#transfer-button")
    console.choose("#gallery-file", Path(saved.value.path()))
    console.click("#import")
    console.wait_for("it is encrypted", "#status")
    console.write("#passphrase", "grün und blau")
    console.click("#import")
    console.wait_for("3 people with 2 faces came in", "#status")
    console.wait_for("grace", "#people")
    console.click("#remove-gallery")
    console.click("#confirm")
    console.wait_for("The gallery guests was deleted", "#status")


def test_try_shows_each_task_and_sliders_need_no_new_call(console: Console, photos: Path) -> None:
    console.open("try")
    console.choose("#picture", photos / "both.png")
    console.wait_for("found in", "#status")
    assert "curl -F image=@photo.jpg" in console.text("#command")
    for task in ("detection", "classification", "segmentation"):
        console.page.select_option("#task", task)
        console.wait(lambda task=task: f"/v1/{task[:6]}" in console.text("#command"))  # type: ignore[misc]
        console.wait_for("found in", "#status")
    console.page.select_option("#task", "faces")
    console.click("#camera")
    console.click("#snap")
    console.wait_for("1 found in", "#status")
    console.check("try")
    calls = "performance.getEntriesByType('resource').length"
    before = console.page.evaluate(calls)
    console.page.fill("#slider", "1")
    assert console.page.evaluate(calls) == before


def test_try_shows_masks_points_reasons_and_two_models(console: Console, photos: Path) -> None:
    console.open("try")
    console.page.select_option("#task", "detection")
    console.choose("#picture", photos / "object.png")
    console.wait_for("found in", "#status")
    console.click("#masks")
    console.wait_for("this model gives no masks", "#status")
    console.page.select_option("#model", "masks:1")
    console.wait_for("upper_left, lower_right", "#found")
    whole = console.page.evaluate(PIXEL, [50, 60])
    console.click("#masks")
    console.wait(lambda: console.page.evaluate(PIXEL, [50, 60]) != whole)  # the mask is not there any more
    # Why: a map lies over the picture, until one presses again.
    plain = console.page.evaluate(CANVAS)
    console.click("#found .why")
    console.wait_for("Red speaks for", "#status")
    assert console.page.evaluate(CANVAS) != plain
    console.click("#found .why")
    console.wait(lambda: console.page.evaluate(CANVAS) == plain)
    # A second model beside the first.
    console.click("#compare")
    console.wait(lambda: console.page.locator("#found-model-2 td").count())
    assert console.page.locator("#model-2").input_value()
    console.check("compare")


def test_a_film_is_followed(console: Console, photos: Path, tmp_path: Path) -> None:
    film = write_film(console.page, tmp_path)
    console.open("try")
    console.page.select_option("#task", "detection")
    console.choose("#film", film)
    console.wait_for("objects followed through", "#status")
    assert not console.text("#status").startswith("0 objects")
    console.page.fill("#film-picture", "1")
    console.check("film")


def write_film(page: Any, folder: Path) -> Path:
    """A film of a bright object that moves to the right, as Chromium records its own canvas."""
    page.goto("about:blank")
    recorded = page.evaluate("""async () => {
        const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
        Object.assign(canvas, { width: 160, height: 120 });
        const recorder = new MediaRecorder(canvas.captureStream(10), { mimeType: "video/webm" }), parts = [];
        recorder.ondataavailable = (event) => parts.push(event.data);
        recorder.start();
        for (let step = 0; step < 20; step++) {
            context.fillStyle = "#808080";
            context.fillRect(0, 0, 160, 120);
            context.fillStyle = "#fff";
            context.fillRect(10 + 2 * step, 30, 50, 50);
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        await new Promise((resolve) => { recorder.onstop = resolve; recorder.stop(); });
        return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
    }""")
    (folder / "film.webm").write_bytes(bytes(recorded))
    return folder / "film.webm"


def test_models_are_loaded_and_unloaded(console: Console) -> None:
    console.open("models")
    row = console.page.locator("tr", has_text="masks").first
    row.get_by_role("button").first.wait_for()
    # An earlier test may have loaded it by using it.
    is_loaded = row.get_by_role("button", name="Unload masks:1", exact=True).count() == 1
    verbs = ("Unload", "Load") if is_loaded else ("Load", "Unload")
    for verb, after in (verbs, verbs[::-1]):
        row.get_by_role("button", name=f"{verb} masks:1", exact=True).click()
        row.get_by_role("button", name=f"{after} masks:1", exact=True).wait_for()
    console.page.locator("summary", has_text="Models that you can pull").click()
    console.wait_for("convoy model pull", "code")
    console.check("catalogue")


def test_models_fleet_and_the_api_are_shown(console: Console) -> None:
    console.open("models")
    console.wait_for("CPUExecutionProvider")
    console.check("models")
    console.open("fleet")
    console.wait_for("recognition", "#services")
    console.wait(lambda: console.text("#services").count(" ms") == 12)
    assert "away" not in console.text("#services")
    console.check("fleet")
    console.page.goto(f"{console.url}/docs")
    console.wait_for("POST /v1/detect")
    console.check("docs")


def test_pages_answer_while_a_service_hangs(console: Console, fleet: Fleet, photos: Path) -> None:
    port = int(fleet.addresses["detection"].rpartition(":")[2])
    hanging = psutil.Process(
        next(c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port)
    )
    hanging.suspend()
    try:
        console.open("try")
        console.page.select_option("#task", "detection")
        console.choose("#picture", photos / "object.png")
        console.open("fleet")
        console.wait_for("away: DEADLINE_EXCEEDED", "#services")
        assert console.text("#services").count("ready") == 5
        console.open("people")
        console.wait_for("Ada", "#people")
    finally:
        hanging.resume()
    console.open("fleet")
    console.wait(lambda: console.text("#services").count("ready") == 6)


def test_pages_answer_while_the_fleet_has_too_much_to_do(console: Console, fleet: Fleet) -> None:
    door, may_end = Door(urlsplit(fleet.web_url).port or 0), threading.Event()
    large = encode(plain(width=1500, height=1500))

    def ask() -> None:
        while not may_end.is_set():
            door.form("/v1/segment", [("image", large)] * 4)

    with ThreadPoolExecutor(16) as pool:
        for _ in range(16):
            pool.submit(ask)
        try:
            console.open("people")
            console.wait_for("Ada", "#people")
            console.open("fleet")
            console.wait(lambda: " ms" in console.text("#services"))
        finally:
            may_end.set()


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
