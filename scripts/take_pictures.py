"""Takes the pictures of the console that README and docs show, and writes docs/images/console-*.webp.

It starts a fleet with the published models, and drives Chromium (Debian: chromium) through the console.

    python scripts/take_pictures.py

The photograph is the public one that the package brings: NASA's portrait of Eileen Collins.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import convoy.importing
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PHOTO = Path(convoy.importing.__file__).parent / "astronaut.jpg"
WIDTH, HEIGHT, QUALITY = 1100, 760, 82
PATIENCE_MS = 180_000


def save(page: Any, name: str, folder: Path) -> None:
    """Write what is seen as a small file."""
    page.wait_for_timeout(500)
    Image.open(io.BytesIO(page.screenshot())).save(folder / f"console-{name}.webp", quality=QUALITY, method=6)


def take(url: str, folder: Path) -> None:
    """Go through the pages as somebody would."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(
            locale="en-GB", color_scheme="light", viewport={"width": WIDTH, "height": HEIGHT}
        ).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{url}/#try")
        page.set_input_files("#picture", PHOTO)
        page.wait_for_selector("#found table")
        save(page, "try", folder)
        page.goto(f"{url}/#people")
        page.fill("#new-gallery", "crew")
        page.click("#make-gallery")
        page.click("#enrol")
        page.fill("#person-id", "eileen")
        page.fill("#display-name", "Eileen Collins")
        page.set_input_files("#photos", PHOTO)
        page.click("#register")
        page.wait_for_selector("#rename")
        save(page, "people", folder)
        page.goto(f"{url}/#who")
        page.set_input_files("#picture", PHOTO)
        page.wait_for_selector("#found h2")
        save(page, "who", folder)
        browser.close()


if __name__ == "__main__":
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    with tempfile.TemporaryDirectory() as data:
        ports = free_ports()
        with Fleet(Path(data), ROOT / "exported_models", ports, metrics=False, web_port=free_range(1)) as fleet:
            take(fleet.web_url, into)
