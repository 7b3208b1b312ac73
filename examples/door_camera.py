"""A door camera: who stands there? python examples/door_camera.py GALLERY [CAMERA]

CAMERA is a number (0 is the first one), a file, or an address such as rtsp://camera/stream.

Needs `pip install opencv-python-headless` and a fleet (`convoy up`). Each answer comes in the order of the frames.
"""

import sys
import time
from collections.abc import Iterator

import cv2
from convoy import Convoy, ConvoyError
from convoy.client import plans

FRAMES_PER_S = 2.0
QUIET_S = 30.0


def frames(camera: str) -> Iterator[object]:
    """Two frames a second, as OpenCV gives them: uint8 BGR [H, W, 3]."""
    capture, next_frame = cv2.VideoCapture(int(camera) if camera.isdigit() else camera), 0.0
    while capture.grab():
        if time.monotonic() >= next_frame:
            next_frame = time.monotonic() + 1 / FRAMES_PER_S
            yield capture.retrieve()[1]


def watch(gallery: str, camera: str) -> None:
    """Greet everybody whom the gallery knows, once in half a minute."""
    greeted: dict[str, float] = {}
    with Convoy() as convoy:
        for answer in convoy.stream(plans.identify(gallery, frame, channels="bgr") for frame in frames(camera)):
            if isinstance(answer, ConvoyError):
                if answer.reason != "NO_FACE":
                    print(answer, file=sys.stderr)
                continue
            for face in answer.faces:
                if face.person and time.monotonic() - greeted.get(face.person.person_id, -QUIET_S) >= QUIET_S:
                    greeted[face.person.person_id] = time.monotonic()
                    print(f"hello, {face.person.name}")


if __name__ == "__main__":
    watch(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "0")
