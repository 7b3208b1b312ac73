"""What this process tells Prometheus of each gallery that it follows."""

from contextlib import suppress

from prometheus_client import Counter, Gauge

FACES = Gauge("convoy_gallery_faces", "Faces that this replica searches.", ["gallery"])
VERSION = Gauge("convoy_gallery_version", "Version of the gallery that this replica searches.", ["gallery"])
MENDED = Counter("convoy_gallery_mended", "How often version or counters of a gallery were put right.", ["gallery"])
UNREADABLES = Gauge("convoy_gallery_unreadable", "1 if this replica cannot read the gallery.", ["gallery"])
LOADS = Counter("convoy_gallery_loads", "How often a gallery was read from the store as a whole.", ["gallery"])


def forget(gallery: str) -> None:
    """Tell nothing more of a gallery that is gone."""
    for metric in (FACES, VERSION, MENDED, UNREADABLES, LOADS):
        with suppress(KeyError):
            metric.remove(gallery)
