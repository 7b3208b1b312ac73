"""How many pictures a second the batches of a detection recipe feed to the training, without a training step.

    python -m benchmarks.training_feed                                  # bccd_voc_A.tar of CONVOY_DATA at 640 px
    python -m benchmarks.training_feed --path my.zip --format yolo --size 640

The same code makes them as in `convoy-train fit`: in threads, ahead of the step. A line for each share of mosaics, by
the wall and by CPU time; the second stays the same while other work runs beside. The last line decodes alone, the bound
of any loader that decodes as the services do.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from convoy_training.ahead import make_ahead
from convoy_training.data.photo import DECODERS
from convoy_training.runs.loop import MADE_AHEAD
from convoy_training.task import make
from convoy_training.tasks import detection


def feed(config: detection.Config, pictures: int) -> Iterator[int]:
    """Yields the size of each batch until so many pictures were made."""
    batches = detection.Batches(detection.load_split(config, "train"), config)
    epoch = made = 0
    with ThreadPoolExecutor(1) as maker:
        while made < pictures:
            for images, *_ in make_ahead(make, batches(epoch), maker, MADE_AHEAD):
                made += len(images)
                yield len(images)
                if made >= pictures:
                    return
            epoch += 1


def measure(name: str, work: Callable[[], int]) -> None:
    """Prints how much of `work` is done in a second."""
    began, cpu = time.monotonic(), _cpu_s()
    count = work()
    wall_s, cpu_s = time.monotonic() - began, _cpu_s() - cpu
    print(f"{name:24} {count / wall_s:7.0f} pictures/s   {count / cpu_s:7.0f} pictures per CPU second", flush=True)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default="bccd_voc_A.tar")
    parser.add_argument("--format", default="voc", choices=["voc", "coco", "yolo"])
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--pictures", type=int, default=800)
    asked = parser.parse_args()
    data = {"format": asked.format, "path": asked.path, "title": "feed"}
    fields = {"name": "feed", "task": "detection", "epochs": 10**6, "batch_size": 8, "optimizer": {"lr": 0.1}}
    fields |= {"input_size": asked.size, "data": data}
    for mosaic in (0.0, 0.6, 1.0):
        config = detection.Config.model_validate(fields | {"mosaic": mosaic})
        sum(feed(config, 16))  # reads the data
        measure(f"mosaic {mosaic}", lambda config=config: sum(feed(config, asked.pictures)))  # type: ignore[misc]
    examples = detection.load_split(config, "train").examples
    chosen = [examples[i % len(examples)] for i in range(asked.pictures)]
    measure("decoding alone", lambda: sum(1 for _ in DECODERS.map(lambda one: one.decode(asked.size), chosen)))


if __name__ == "__main__":
    main()
