"""Scopes: the words for what a caller may do.

classification  detection  segmentation  faces  imaging
                                                   the calls of that service, and the Open Inference Protocol there
models:admin                                       load and unload models
gallery:<name or *>:read|write|admin               the gallery's people; write includes read, admin includes both
priority                                           name a priority (Open Inference Protocol); without tokens anybody may
weight:1 to weight:99                              a larger share of a full queue than other callers, who have weight:1
metrics                                            see how much a service has to do (GetLoad)
scores                                             see similarities, and choose the threshold of a decision
"""

import re
from collections.abc import Iterable

from convoy.core.api import SERVICES as ALL_SERVICES

SERVICES = tuple(service for service in ALL_SERVICES if service != "recognition")
"""Recognition's calls need the scope of a gallery instead."""
MODELS_ADMIN = "models:admin"
SCORES = "scores"
PRIORITY = "priority"
METRICS = "metrics"
ANY_TOKEN = "token"
"""What a call demands that anybody with a good token may make; it is never granted."""
LEVELS = ("read", "write", "admin")
_PLAIN = {*SERVICES, MODELS_ADMIN, SCORES, PRIORITY, METRICS}
_WEIGHT = re.compile(r"weight:([1-9][0-9]?)")
_GALLERY = re.compile(rf"gallery:(\*|[a-z0-9_-]{{1,64}}):({'|'.join(LEVELS)})")


def is_scope(text: str) -> bool:
    """Whether a text is one of the words above."""
    return text in _PLAIN or any(form.fullmatch(text) for form in (_GALLERY, _WEIGHT))


def weight_of(granted: Iterable[str]) -> int:
    """The caller's share of a full queue beside others; 1 unless a scope says more."""
    return max((int(found[1]) for scope in granted if (found := _WEIGHT.fullmatch(scope))), default=1)


def gallery_scope(gallery: str, level: str) -> str:
    """The scope for one gallery; * means all galleries."""
    return f"gallery:{gallery}:{level}"


def allows(granted: Iterable[str], needed: str) -> bool:
    """Whether the granted scopes include the needed one. An odd name of a gallery never matches another gallery."""
    granted = frozenset(granted)
    if needed == ANY_TOKEN:
        return True
    if not needed.startswith("gallery:"):
        return needed in granted
    gallery, _, level = needed.removeprefix("gallery:").rpartition(":")
    levels = LEVELS[LEVELS.index(level) :]
    return any(gallery_scope(name, higher) in granted for name in {gallery, "*"} for higher in levels)


def names_gallery(scope: str) -> bool:
    """Whether a scope is about a gallery, or all of them."""
    return _GALLERY.fullmatch(scope) is not None
