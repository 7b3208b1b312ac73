"""Where the pages of a list of faces begin, for clients that ask for pages by their number.

The services list people by a token, a page after the other, so the thousandth page could be found only by reading all
before it. The place after each answered page is kept for a while: whoever asks for one page after the other gets each
by reading that page alone. A place is a token, not a count, so nothing that is there throughout is skipped or told
twice while others come and go.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

KEPT_S = 300.0
MOST = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """A token of ListPeople, and how many of the faces after it belong to pages before. is_end: nothing follows."""

    token: str = ""
    faces: int = 0
    is_end: bool = False


START = Place()


class Places:
    """The places that were found last. It belongs to one thread, the event loop."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, int, int], tuple[float, Place]] = OrderedDict()

    def nearest(self, gallery: str, size: int, page: int) -> tuple[int, Place]:
        """The page at or before the one that is wanted whose place is known, and that place. size: faces in a page."""
        oldest = time.monotonic() - KEPT_S
        while self._found and next(iter(self._found.values()))[0] < oldest:
            self._found.popitem(last=False)
        if found := self._found.get((gallery, size, page)):
            return page, found[1]
        known = [number for name, faces, number in self._found if (name, faces) == (gallery, size) and number < page]
        return (number := max(known, default=0)), self._found[gallery, size, number][1] if known else START

    def note(self, gallery: str, size: int, page: int, place: Place) -> None:
        """Keep where a page begins."""
        self._found[gallery, size, page] = (time.monotonic(), place)
        self._found.move_to_end((gallery, size, page))
        if len(self._found) > MOST:
            self._found.popitem(last=False)
