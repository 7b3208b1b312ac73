"""Which way up Chromium and OpenCV show pictures with an EXIF orientation, beside Convoy."""

import base64
import io
import shutil

import cv2
import numpy as np
import pytest
from convoy.core.pictures.decoding import decode_image
from PIL import Image

from tests.picture_files import scene, write

pytestmark = pytest.mark.browser
CORNERS = """async (source) => {
  const image = new Image(); image.src = source; await image.decode();
  const canvas = document.createElement('canvas');
  const [w, h] = [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const pen = canvas.getContext('2d'); pen.drawImage(image, 0, 0);
  const at = (x, y) => Array.from(pen.getImageData(x, y, 1, 1).data).slice(0, 3);
  return [[h, w, 0], at(2, 2), at(w - 3, 2), at(2, h - 3), at(w - 3, h - 3)];
}"""


def corners(pixels: np.ndarray) -> list[list[int]]:
    """Height and width, and the colours of the four corners."""
    height, width = pixels.shape[:2]
    return [[height, width, 0], *(pixels[y, x].tolist() for y in (2, height - 3) for x in (2, width - 3))]


def alike(one: list[list[int]], other: list[list[int]]) -> bool:
    """Whether sizes are the same and colours nearly."""
    return one[0] == other[0] and bool(np.abs(np.subtract(one[1:], other[1:])).max() < 40)


def test_who_applies_an_orientation() -> None:
    from playwright.sync_api import sync_playwright

    seen: dict[str, set[tuple[bool, bool]]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        for name in ("JPEG", "PNG", "WebP", "AVIF"):
            for orientation in (3, 6, 8):
                exif = Image.Exif()
                exif[274] = orientation
                data = write(name, Image.fromarray(scene()), exif=exif.tobytes())
                kind = Image.open(io.BytesIO(data)).get_format_mimetype()
                ours = corners(decode_image(data).image_rgb)
                source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
                opencv = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
                agree = alike(ours, page.evaluate(CORNERS, source)), alike(ours, corners(opencv))
                seen.setdefault(name, set()).add(agree)
        browser.close()
    # Pillow writes an orientation into AVIF as a turn of its own (irot, imir), which OpenCV does not apply.
    assert seen == {"JPEG": {(True, True)}, "PNG": {(True, True)}, "WebP": {(False, True)}, "AVIF": {(True, False)}}
