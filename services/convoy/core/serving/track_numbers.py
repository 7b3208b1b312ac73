"""Writes the numbers of tracks into the results of a stream's answer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convoy.core.pictures.tracking import Tracks


def number_tracks(
    tracks: Tracks,
    results: Sequence[Any],
    found: str,
    after_cut: bool,
    label_of: Callable[[Any], object] = lambda one: "",
    is_sure: Callable[[Any], bool] = lambda one: True,
) -> None:
    """Number what the results of one answer found, picture by picture.

    results: messages with image_size and a list of objects, each with a box, under the name `found`; an error has none.
    after_cut: no track goes on from before; label_of: tracks keep it; is_sure: whether an object may begin a track.
    """
    if after_cut and not results:
        tracks.cut()
    for result in results:
        objects = getattr(result, found)
        width, height = max(result.image_size.width, 1), max(result.image_size.height, 1)
        boxes = [
            (one.box.x_min / width, one.box.y_min / height, one.box.x_max / width, one.box.y_max / height)
            for one in objects
        ]
        labels, sure = [str(label_of(one)) for one in objects], [is_sure(one) for one in objects]
        numbers = tracks.follow(np.array(boxes, np.float32).reshape(-1, 4), labels, sure, after_cut)
        for one, number in zip(objects, numbers, strict=True):
            one.track_id = number
        after_cut = False
