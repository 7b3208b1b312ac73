"""A gallery of real faces, bound to the published embedder that is the default when it is made, and what it answers.

The two people are public-domain portraits that scikit-image and Matplotlib carry.
"""

import cv2
import numpy as np
from convoy.demo.photos import packaged
from convoy.v1 import common_pb2
from convoy.v1 import recognition_pb2 as r

from tests.compatibility.conversations.recognition import Talk
from tests.compatibility.conversations.recorder import Recorder

PORTRAITS = {"collins": ("astronaut.png", (40, 0, 400, 300)), "hopper": ("grace_hopper.jpg", (110, 0, 410, 400))}
"""Picture, and the part to send: x0, y0, x1, y1."""
JUDGED = ("quality",)
"""How a face is judged may become better; whom it shows may not change."""


def make(recorder: Recorder) -> None:
    """The gallery as it goes into the dump."""
    one = Talk(recorder)
    one.ask("CreateGallery", r.CreateGalleryRequest(gallery="crew"))
    one.register("crew", "collins", portrait("collins"), display_name="Eileen Collins")
    one.register("crew", "hopper", portrait("hopper"))


def talk(recorder: Recorder) -> None:
    """Everything for which the gallery's embedder is needed."""
    one = Talk(recorder)
    one.ask("GetGallery", r.GetGalleryRequest(gallery="crew"))
    for person_id in PORTRAITS:
        one.identify("crew", portrait(person_id, 0.8), aside=JUDGED)
    hopper = r.PersonRef(gallery="crew", person_id="hopper")
    one.ask("Verify", r.VerifyRequest(probe=portrait("hopper", 0.9), person=hopper), aside=JUDGED)
    one.ask("Verify", r.VerifyRequest(probe=portrait("collins"), person=hopper), aside=JUDGED)
    one.ask("FindDuplicates", r.FindDuplicatesRequest(gallery="crew", match_threshold=-0.5))
    conflict = {"code": "FAILED_PRECONDITION", "aside": JUDGED}
    one.register("crew", "somebody-else", portrait("collins", 0.9), **conflict)
    one.register("crew", "hopper", portrait("hopper", 0.7), add_faces=True, aside=JUDGED)
    one.identify("crew", portrait("hopper", 0.6), aside=JUDGED)


def portrait(person_id: str, scale: float = 1.0) -> common_pb2.Image:
    """A portrait, smaller if you want, as JPEG."""
    name, (x0, y0, x1, y1) = PORTRAITS[person_id]
    pixels = packaged(name).image_rgb[y0:y1, x0:x1, ::-1]
    smaller = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(smaller), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return common_pb2.Image(encoded=encoded.tobytes())
