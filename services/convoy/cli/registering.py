"""What `convoy register` asks before it sends photos, and prints afterwards."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from convoy.cli.failures import in_our_words
from convoy.cli.output import print_json, print_table
from convoy.core.errors import ConvoyError

if TYPE_CHECKING:
    from convoy.client import Convoy
    from convoy.client.answers.recognition import Registration


def known_as(convoy: "Convoy", gallery: str, photos: list[Path], person: str) -> tuple[Path, str] | None:
    """The first photo that the gallery knows as somebody else, and as whom. What goes wrong here, registering says."""
    for photo in photos:
        with suppress(ConvoyError):
            best = convoy.identify(gallery, photo, top_k=1, largest=True).faces[0].person
            if best and best.person_id != person:
                return photo, best.person_id
    return None


def show_registration(photos: list[Path], answer: "Registration", as_json: bool) -> None:
    """Print what became of each photo, and who else is near."""
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            "accepted" if result.accepted else result.refusal,
            result.face_id or in_our_words(result.message),
            photo,
            f"{result.nearest.person_id} {result.nearest.similarity:.2f}" if result.nearest else "",
        )
        for photo, result in zip(photos, answer.results, strict=True)
    ]
    print_table("", ("result", "face id or reason", "photo", "nearest other"), rows)
