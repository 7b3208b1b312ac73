"""Single-object localisation: where there is nothing, nobody asks where and what it is."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional


class Location(NamedTuple):
    """presence [N]: logit of p_c; box [N,4]: centre x, centre y, height, width as shares of the picture;
    classes [N,C]: logits.
    """

    presence: Tensor
    box: Tensor
    classes: Tensor


def compute_localisation_loss(
    location: Location, present: Tensor, box: Tensor, label: Tensor, box_weight: float = 5.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Logistic loss of p_c; where p_c = 1 also the squared error of the box and the cross-entropy of the class.

    present bool [N], box [N,4] as in `Location`, label int64 [N]; box and label are not read where nothing is present.
    """
    presence = functional.binary_cross_entropy_with_logits(location.presence, present.float())
    count = present.sum().clamp(min=1)
    place = (location.box[present] - box[present]).square().sum() / count
    named = functional.cross_entropy(location.classes[present], label[present], reduction="sum") / count
    parts = {"presence": presence, "box": place, "class": named}
    return presence + box_weight * place + named, parts
