"""Shuffled examples for detectors, changed differently in each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from convoy.core.pictures.resizing import min_side
from torch import Tensor

from convoy_training.augment.mosaic import draw_mosaic, draw_single
from convoy_training.augment.scene import change_light
from convoy_training.data.boxes import Split
from convoy_training.data.instances import draw_reduced, shrink
from convoy_training.data.photo import DECODERS
from convoy_training.detecting.config import Config, describe_input, find_detector
from convoy_training.detecting.recent import Recent, choose_near, count_kept
from convoy_training.structures import Scene

Batch = tuple[Tensor, ...]
"""Images, boxes and labels, and what a network learns beside them: maps of the objects, or points; see `Batches`."""


class Batches:
    """Shuffled examples, alone or four together; each epoch places, mirrors and relights them differently.

    A batch is images uint8 [N,H,W,3], boxes_xyxy [N,K,4] and labels [N,K], -1 where padded, crowds from
    CROWD down. For networks that give masks also maps int32 [N,H/s,W/s] with the number of each pixel's box, counted
    from 1, or 0, where s is the network's `map_stride`; for those that give points also points [N,K,P,3] as in
    `Places`. It is made in threads, picture by picture: each draws from a generator of its own, so that their order
    changes nothing. The other three of a mosaic are among those that the epoch has shown last, which are still decoded.
    """

    def __init__(self, split: Split, config: Config) -> None:
        self.examples, self.config = [example.with_crowds() for example in split.examples], config
        self.smallest, self.detector = min_side(describe_input(config)), find_detector(config)
        self.longest = math.ceil(config.input_size * config.scales[1])
        self.near = count_kept(self.examples, self.longest, config.batch_size)
        self.recent = Recent(self._open, self.near + config.batch_size)

    def __len__(self) -> int:
        return len(self.examples) * self.config.repeats // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[Callable[[], Batch]]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        mosaic = self.config.mosaic if epoch < self.config.epochs - self.config.plain_epochs else 0.0
        order = np.concatenate([random.permutation(len(self.examples)) for _ in range(self.config.repeats)])
        size = self.config.batch_size
        for end in range(size, len(self) * size + 1, size):
            rows, near = order[end - size : end], choose_near(order, end, self.near)
            yield partial(self._make, rows, near, mosaic, int(random.integers(2**62)))

    def _make(self, rows: np.ndarray, near: np.ndarray, mosaic: float, seed: int) -> Batch:
        size = self.config.input_size
        images = np.empty((len(rows), size, size, 3), np.uint8)

        def draw(place: int) -> Scene:
            random = np.random.default_rng((seed, place))
            scene = self._draw(int(rows[place]), near, mosaic, random)
            change_light(scene.image_rgb, self.config.light, random, images[place])
            return scene

        drawn = list(DECODERS.map(draw, range(len(rows))))
        most = max(1, *(len(d.labels) for d in drawn))
        stride = self.detector.map_stride
        maps = [shrink(d.instances, stride) for d in drawn if d.instances is not None]
        places = [
            np.pad(d.places.points, ((0, most - len(d.labels)), (0, 0), (0, 0)))
            for d in drawn if d.places is not None
        ]  # fmt: skip
        boxes = np.zeros((len(drawn), most, 4), np.float32)
        labels = np.full((len(drawn), most), -1, np.int64)
        for i, d in enumerate(drawn):
            boxes[i, : len(d.labels)], labels[i, : len(d.labels)] = d.boxes_xyxy, d.labels
        batch = torch.from_numpy(images), torch.from_numpy(boxes), torch.from_numpy(labels)
        return (*batch, torch.from_numpy(np.stack(maps or places))) if maps or places else batch

    def _draw(self, row: int, near: np.ndarray, mosaic: float, random: np.random.Generator) -> Scene:
        size, scales, sides = self.config.input_size, self.config.scales, (self.config.mirror, self.config.upside_down)
        open_row = self.recent.open if mosaic else self._open
        if random.random() >= mosaic:
            return draw_single(open_row(row), size, scales, sides, random)
        others = random.choice(near, 3)
        return draw_mosaic([open_row(int(each)) for each in (row, *others)], size, scales, sides, random)

    def _open(self, row: int) -> Scene:
        example = self.examples[row]
        draw = partial(draw_reduced, example) if self.detector.teaches == "masks" else None
        return example.decode(self.smallest, draw, self.longest)
