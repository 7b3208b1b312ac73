"""Objects followed from picture to picture: each keeps a number, also while it is hidden for a moment.

The tracker is ByteTrack (Zhang et al., ECCV 2022) as edgefirst-tracker has it: a Kalman filter guesses where each
object is next, objects that the detector is sure of are matched by overlap first, and then those that it is less sure
of.
"""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from edgefirst.tracker import ByteTrack

LOST_AFTER = 30
"""A track ends when its object was not seen in so many pictures."""
OVERLAP = 0.25
"""The least intersection over union of an object and the place where a track expects it."""
MOST_OBJECTS, MOST_TRACKS = 300, 1000
"""Of a picture, the first so many are followed, and no track begins while so many last: both take time."""
_PICTURE_NS = 1_000_000_000 // 30
_SURE, _UNSURE = 0.9, 0.3
_SURE_FROM = 0.5


class Tracks:
    """The tracks of one film. Each belongs to one label; numbers begin at 1 and are never used again."""

    def __init__(self) -> None:
        self._trackers: dict[Hashable, ByteTrack] = {}
        self._numbers: dict[str, int] = {}
        self._last = 0
        self._picture = 0

    def follow(
        self,
        boxes_xyxy: npt.NDArray[np.floating[Any]],
        labels: Sequence[Hashable],
        is_sure: Sequence[bool],
        after_cut: bool = False,
    ) -> list[int]:
        """Return the number of the track of each object of the next picture; 0: none.

        boxes_xyxy: [N, 4], in shares of the picture's width and height, so that the size of the pictures may change;
        is_sure: whether the object may begin a track; others only continue one; after_cut: all tracks end before this
        picture. Those behind the first MOST_OBJECTS, and those without an area, belong to no track.
        """
        if after_cut:
            self.cut()
        self._picture += 1
        boxes = np.asarray(boxes_xyxy, np.float32).reshape(-1, 4)
        labels, edges = labels[:MOST_OBJECTS], boxes[:MOST_OBJECTS].tolist()
        usable = [all(map(math.isfinite, row)) and row[0] < row[2] and row[1] < row[3] for row in edges]
        if sum(len(one.get_active_tracks()) for one in self._trackers.values()) >= MOST_TRACKS:
            is_sure = [False] * len(boxes)
        numbers = [0] * len(boxes)
        for label in {*self._trackers, *labels}:
            chosen = [row for row, one in enumerate(labels) if one == label and usable[row]]
            found = self._update(label, boxes[chosen], [is_sure[row] for row in chosen])
            for row, number in zip(chosen, found, strict=True):
                numbers[row] = number
        return numbers

    def cut(self) -> None:
        """End all tracks."""
        self._trackers.clear()
        self._numbers.clear()

    def _update(self, label: Hashable, boxes: npt.NDArray[np.float32], is_sure: list[bool]) -> list[int]:
        if (tracker := self._trackers.get(label)) is None:
            tracker = self._trackers[label] = ByteTrack(
                high_conf=_SURE_FROM, iou=OVERLAP, lifespan_ns=LOST_AFTER * _PICTURE_NS
            )
        scores = np.where(is_sure, _SURE, _UNSURE).astype(np.float32)
        found = tracker.update(boxes, scores, np.zeros(len(boxes), np.uintp), self._picture * _PICTURE_NS)
        alive = {one.info.uuid for one in tracker.get_active_tracks()}
        if not alive:
            del self._trackers[label]
        return [0 if one is None else self._number(one.uuid) for one in found]

    def _number(self, uuid: str) -> int:
        if uuid not in self._numbers:
            self._last += 1
            self._numbers[uuid] = self._last
            self._forget_dead()
        return self._numbers[uuid]

    def _forget_dead(self) -> None:
        """Keep the table of numbers small on a stream without end."""
        if len(self._numbers) % 1024 == 0:
            alive = {one.info.uuid for tracker in self._trackers.values() for one in tracker.get_active_tracks()}
            self._numbers = {uuid: number for uuid, number in self._numbers.items() if uuid in alive}
