"""What tests of the console share: Chromium before it, and what a person sees and does there.

SCREENSHOTS=folder keeps what was seen.
"""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convoy.testing.pictures import encode, group, plain, portrait, with_box
from PIL import Image

PATIENCE_S = 120
WIDTHS = (1280, 320)


def write_photos(folder: Path) -> Path:
    """Pictures of people by name, one of an object, and what the camera sees."""
    for name, picture in {
        "ada": portrait(1),
        "ada2": portrait(1, noise=3),
        "grace": portrait(4),
        "both": group([1, 4]),
        "stranger": portrait(7),
        "nobody": plain(),
        "object": with_box((40, 30, 90, 80)),
    }.items():
        (folder / f"{name}.png").write_bytes(encode(picture))
    # What the camera sees: a film of one frame. Chromium reads Motion JPEG, which is JPEGs one after the other.
    film = io.BytesIO()
    Image.fromarray(portrait(1, size=480)).resize((640, 480)).save(film, "JPEG", quality=95)
    (folder / "camera.mjpeg").write_bytes(film.getvalue())
    return folder


@contextmanager
def browser_page(photos: Path) -> Iterator[Any]:
    """A page in Debian's Chromium, with a camera that sees Ada."""
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
