"""The loss of single-object localisation: windows without an object have no loss of box and class."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional


class Location(NamedTuple):
    """presence [N]: logit of p_c; classes [N,C]: logits.

    box [N,4]: centre x, centre y, height and width, as shares of the picture.
    """

    presence: Tensor
    box: Tensor
    classes: Tensor


def compute_localisation_loss(
    location: Location, present: Tensor, box: Tensor, label: Tensor, box_weight: float = 5.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """The logistic loss of p_c and, if p_c = 1, the squared error of the box and the cross-entropy of the class.

    present bool [N]; box [N,4] as in `Location` and label int64 [N] count only if an object is present.
    """
    presence = functional.binary_cross_entropy_with_logits(location.presence, present.float())
    count = present.sum().clamp(min=1)
    place = (location.box[present] - box[present]).square().sum() / count
    named = functional.cross_entropy(location.classes[present], label[present], reduction="sum") / count
    parts = {"presence": presence, "box": place, "class": named}
    return presence + box_weight * place + named, parts
