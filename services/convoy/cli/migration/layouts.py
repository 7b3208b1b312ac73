"""Systems that keep a folder of photos for each person. It imports nothing heavy, since the help names them."""

from enum import StrEnum


class Layout(StrEnum):
    """Whose folders they are."""

    DOUBLE_TAKE = "double-take"
    VISERON = "viseron"
    FRIGATE = "frigate"
