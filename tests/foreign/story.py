"""The story that every client tells: two people are enrolled, found in other photos, renamed, merged, deleted.

It knows the standard library alone. A client that lacks a call leaves the method out, and the story says None.
"""

import glob
import os


class Teller:
    """A client in the words of the story. Names are of people; paths are files. Refusals come as a short text."""

    def __init__(self, url: str, key: str) -> None:
        raise NotImplementedError

    def enrol(self, name: str, path: str) -> str:
        """Empty if the photo was taken; else why not."""
        raise NotImplementedError

    def names(self) -> list[str]:
        raise NotImplementedError

    def find(self, path: str) -> list[str]:
        """Whom each face shows, "unknown" for nobody; ["error: ..."] for a refusal."""
        raise NotImplementedError

    def objects(self, path: str) -> int:
        raise NotImplementedError

    def rename(self, name: str, new: str) -> bool:
        raise NotImplementedError

    def delete(self, name: str) -> bool:
        raise NotImplementedError

    def pages(self) -> list[int]:
        """How many faces each page of a list has."""
        raise NotImplementedError


def tell(kind: type[Teller], url: str, key: str, album: str) -> dict[str, object]:
    """The story, as facts."""
    client = kind(url, key)

    def photo(name: str) -> str:
        return os.path.join(album, name + ".png")

    facts: dict[str, object] = {}
    facts["enrolled"] = [
        client.enrol(name, photo(file))
        for name, file in (("Ada", "ada1"), ("Ada", "ada2"), ("Grace", "grace1"), ("Grace", "grace2"))
    ]
    facts["names"] = said(lambda: sorted(client.names()))
    for file in ("ada3", "grace3", "stranger"):
        facts[file] = client.find(photo(file))
    facts["group"] = sorted(client.find(photo("group")))
    facts["no face to find"] = client.find(photo("blank"))
    facts["no face to enrol"] = bool(client.enrol("Nobody", photo("blank")))
    facts["two faces to enrol"] = said(lambda: bool(client.enrol("Nobody", photo("two"))))
    facts["no picture to enrol"] = bool(client.enrol("Nobody", photo("text")))
    facts["no picture to find"] = "error" in " ".join(client.find(photo("text")))
    facts["wrong key"] = "error" in " ".join(kind(url, "00000000-0000-4000-8000-000000000000").find(photo("ada3")))
    facts["objects"] = said(lambda: client.objects(photo("ada1")) >= 0)
    facts["renamed"] = said(lambda: (client.rename("Ada", "Lovelace"), sorted(client.names()))[1])
    facts["found under the new name"] = said(
        lambda: client.rename("Lovelace", "Countess") and client.find(photo("ada3"))
    )
    facts["merged"] = said(lambda: (client.rename("Countess", "Grace"), sorted(client.names()))[1])
    facts["found as the other"] = client.find(photo("ada3")) if facts["merged"] is not None else None
    facts["deleted"] = said(lambda: (client.delete("Grace"), sorted(client.names()))[1])
    crowd = sorted(glob.glob(photo("crowd*")))
    facts["crowd"] = [problem for i, path in enumerate(crowd) if (problem := client.enrol(f"crowd {i}", path))]
    facts["crowd is found"] = client.find(crowd[7]) in (["crowd 7"], ["unknown"])
    facts["pages"] = said(client.pages)
    return facts


def said(tell_it):  # type: ignore[no-untyped-def]
    """What a call gives; None if the client has no such call."""
    try:
        return tell_it()
    except NotImplementedError:
        return None
