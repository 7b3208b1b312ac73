"""Measures how long decoding an ordinary JPEG takes beside an earlier checkout, and beside OpenCV.

Both checkouts decode the same files in turns, each in a process of its own; the number is processor time, the least of
all rounds, so that other work on the machine counts little.

    git worktree add ../earlier COMMIT
    CONVOY_DATA=... python -m benchmarks.picture_decoding ../earlier [--rounds 15]
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.conditions import write_result

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"0.4 MP": (800, 534), "12 MP": (4000, 3000)}
WORKER = """
import sys, time
try:
    from convoy.core.pictures.decoding import decode_image
except ImportError:
    from convoy.core.images import decode_image
if sys.argv[1] == "OpenCV":
    import cv2, numpy as np
    def decode_image(data):
        return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
data = open(sys.argv[2], "rb").read()
decode_image(data)
for line in sys.stdin:
    started = time.process_time()
    for _ in range(int(line)):
        decode_image(data)
    print((time.process_time() - started) / int(line), flush=True)
"""


def write_photo(source: Path, size: tuple[int, int], folder: Path) -> Path:
    """Write the photo in this size, as a phone would: quality 90, 4:2:0, with EXIF."""
    exif = Image.Exif()
    exif[274] = 1
    buffer = io.BytesIO()
    Image.open(source).convert("RGB").resize(size).save(buffer, "JPEG", quality=90, exif=exif.tobytes())
    path = folder / f"{size[0]}.jpg"
    path.write_bytes(buffer.getvalue())
    return path


def begin(checkout: Path, who: str, photo: Path) -> "subprocess.Popen[str]":
    """Start a process that decodes the photo as often as it is told."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "services"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER, who, str(photo)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measure(checkouts: dict[str, Path], photo: Path, rounds: int, times: int) -> dict[str, float]:
    """Seconds of a core for one decode, the least of the rounds, by name of checkout."""
    workers = {name: begin(checkout, name, photo) for name, checkout in checkouts.items()}
    least = dict.fromkeys(workers, float("inf"))
    try:
        for _ in range(rounds):
            for name, worker in workers.items():
                assert worker.stdin is not None and worker.stdout is not None
                worker.stdin.write(f"{times}\n")
                worker.stdin.flush()
                least[name] = min(least[name], float(worker.stdout.readline()))
    finally:
        for worker in workers.values():
            worker.kill()
            worker.communicate()
    return least


def main() -> None:
    """Measure, print, and write results/picture_decoding.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--photo", type=Path, default=None, help="by default samples/group_3_people.jpg of CONVOY_DATA")
    given = parser.parse_args()
    photo = given.photo or Path(os.environ["CONVOY_DATA"]) / "samples" / "group_3_people.jpg"
    asked = ["git", "-C", given.earlier, "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            checkouts = {"earlier": given.earlier.resolve(), "now": ROOT, "OpenCV": ROOT}
            times = 40 if size[0] < 1000 else 2
            found = measure(checkouts, write_photo(photo, size, Path(folder)), given.rounds, times)
            numbers[name] = {one: round(seconds * 1e3, 3) for one, seconds in found.items()}
            change = found["now"] / found["earlier"] - 1
            print(f"{name}: {numbers[name]} ms of a core, {change:+.2%} beside {commit}")
    command = f"python -m benchmarks.picture_decoding EARLIER --rounds {given.rounds}"
    print(write_result("picture_decoding", command, {"earlier": commit, "milliseconds": numbers}))


if __name__ == "__main__":
    main()
