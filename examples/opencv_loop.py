"""Objects in a film: python examples/opencv_loop.py FILM [OUT.mp4]

Needs `pip install opencv-python-headless` and a fleet (`convoy up`).
Several frames are on their way at once, so that the film is read, searched and written side by side.
"""

import sys
from collections.abc import Iterator
from typing import Any

import cv2
from convoy import Convoy, ConvoyError
from convoy.client import plans

GREEN_BGR = (0, 200, 0)


def read(film: "cv2.VideoCapture", kept: list[Any]) -> Iterator[Any]:
    """The frames one by one; `kept` has those whose answers have not come yet."""
    while (frame := film.read())[0]:
        kept.append(frame[1])
        yield plans.detect(frame[1], channels="bgr")


def main(source: str, target: str) -> int:
    """Draw the boxes into each frame, and return how many objects were seen."""
    film, kept, seen, writer = cv2.VideoCapture(source), [], 0, None
    with Convoy() as convoy:
        for answer in convoy.stream(read(film, kept)):
            frame = kept.pop(0)
            if isinstance(answer, ConvoyError):
                raise answer
            for found in answer:
                seen += 1
                corners = [
                    (round(x), round(y))
                    for x, y in ((found.box.x_min, found.box.y_min), (found.box.x_max, found.box.y_max))
                ]
                cv2.rectangle(frame, *corners, GREEN_BGR, 2)
            if writer is None:
                height, width = frame.shape[:2]
                writer = cv2.VideoWriter(
                    target, cv2.VideoWriter.fourcc(*"mp4v"), film.get(cv2.CAP_PROP_FPS), (width, height)
                )
            writer.write(frame)
    if writer:
        writer.release()
    return seen


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "found.mp4"), "objects")
