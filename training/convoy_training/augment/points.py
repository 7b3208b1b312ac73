"""Changes a whole batch together with its boxes and landmarks, which move with their pixels.

Points are x, y in pixels, counted from the edge of the image: the middle of the first pixel is 0.5, 0.5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convoy_training.augment.batch import Augmentation, Motion, move, recolour
from convoy_training.structures import CROWD

SMALLEST_SHARE = 0.4
"""The share of a box that must stay in the image; with less, the object can no longer be seen."""

MIRRORED = [1, 0, 2, 4, 3]
"""The order of the five landmarks after mirroring, since left and right mean the sides of the image."""

EDGE = torch.tensor([[x, y] for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0) if (x, y) != (0.5, 0.5)])
"""Points on the edge of a box, as shares of its sides: the corners and the middles, since a warp bends the sides."""


def augment_boxes(images: Tensor, boxes: Tensor, labels: Tensor, how: Augmentation) -> tuple[Tensor, Tensor, Tensor]:
    """Changes RGB images [N,H,W,3] in 0..255 with their boxes xyxy [N,K,4] and labels [N,K].

    A new box is the upright one around the moved edge of the old box, clipped to the image. The label -1 stands for
    padding and for a box that was lost. A crowd is lost if nothing of it is left.
    """
    moved, motion = _change(images, how)
    boxes, kept = move_boxes(boxes, motion)
    kept = kept | ((labels <= CROWD) & (_area(boxes) > 0))
    return moved, boxes, labels.where(kept, -1)


def augment_faces(
    images: Tensor, boxes: Tensor, landmarks: Tensor, kinds: Tensor, how: Augmentation
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same for faces, with landmarks [N,K,5,2] (NaN where unknown) and kinds [N,K] (0 none, 1 face, 2 ignored).

    A face of which too little is left is ignored (2); one of which nothing is left is gone (0).
    """
    moved, motion = _change(images, how)
    boxes, kept = move_boxes(boxes, motion)
    left = ((boxes[..., 2:] - boxes[..., :2]) > 0).all(-1)
    kinds = torch.where(kept | (kinds == 0), kinds, torch.where(left, 2, 0))
    points = move_points(landmarks.flatten(1, 2), motion).view_as(landmarks)
    return moved, boxes, torch.where(motion.mirrored[:, None, None, None], points[:, :, MIRRORED], points), kinds


def move_boxes(boxes: Tensor, motion: Motion) -> tuple[Tensor, Tensor]:
    """Moves boxes xyxy [N,K,4] with their pixels; returns the new boxes and whether enough of each is left [N,K]."""
    near, far = boxes[..., None, :2], boxes[..., None, 2:]
    around = near + (far - near) * EDGE.to(boxes)
    points = move_points(around.flatten(1, 2), motion).view_as(around)
    hull = torch.cat([points.amin(2), points.amax(2)], -1)
    height, width = motion.size
    inside = hull.clamp(min=0).minimum(hull.new_tensor([width, height, width, height]))
    share = _area(inside) / _area(hull).clamp(min=1e-6)
    return inside, share > SMALLEST_SHARE


def move_points(points: Tensor, motion: Motion) -> Tensor:
    """Moves points [N,P,2] with their pixels: first by the matrix, then by the inverse of the warp."""
    linear, shift = motion.matrix[:, :2, :2], motion.matrix[:, :2, 2]
    moved = (points - 0.5) @ linear.mT + shift[:, None] + 0.5
    if motion.offsets is None:
        return moved
    # The warp tells where a new pixel comes from. Where an old one goes is found by repeated substitution.
    target = moved
    for _ in range(10):
        target = moved - _look_up(motion.offsets, target)
    return target


def _change(images: Tensor, how: Augmentation) -> tuple[Tensor, Motion]:
    layers, motion = move([images.permute(0, 3, 1, 2).float() / 255], how)
    return recolour(layers[0], how).clamp(0, 1).permute(0, 2, 3, 1) * 255, motion


def _look_up(offsets: Tensor, points: Tensor) -> Tensor:
    """The offsets [N,2,H,W] at points [N,P,2], interpolated between pixels; NaN points read the image's middle."""
    size = points.new_tensor([offsets.shape[3], offsets.shape[2]])
    grid = (2 * points / size - 1).nan_to_num(0.0)[:, :, None]
    return torch.nn.functional.grid_sample(offsets, grid, padding_mode="border", align_corners=False)[..., 0].mT


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
