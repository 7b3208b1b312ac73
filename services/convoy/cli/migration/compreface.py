"""People of a CompreFace that runs, over the REST interface of one recognition service."""

import json
from collections import defaultdict
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import uuid4

from convoy.cli.migration.source import Left, Photo, Somebody, Source
from convoy.cli.patience import Suspicion, steadily
from convoy.core.errors import InvalidArgument, Unavailable

TIMEOUT_S = 60.0
MOST_BYTES = 64 << 20
PAGE = 500
MOST_PAGES = 100_000
NO_PICTURE = "CompreFace keeps no photo of this face (save_images_to_db=false); photograph the person again"
LOST = (
    "embeddings: they are of another network, and no similarity between the two networks means anything",
    "users, applications, keys and settings of CompreFace, and its detection and verification services",
)


class _NoRedirect(HTTPRedirectHandler):
    """Another server shall not get the key."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class CompreFace:
    """One recognition service of a CompreFace. url: its address; key: that service's x-api-key."""

    def __init__(self, url: str, key: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidArgument("BAD_ARGUMENT", f"--url {url!r} is no address; give http://HOST:8000")
        self._base = f"{url.rstrip('/')}/api/v1/recognition"
        self._key = key
        self._open = build_opener(_NoRedirect).open
        self._suspicion = Suspicion(lambda: self._send(Request(f"{self._base}/faces?page=0&size=1")))

    def read(self) -> Source:
        """Everybody, with the ids of their photos; the photos come when they are needed.

        Raises Unavailable(SERVICE_UNREACHABLE); InvalidArgument(BAD_ARGUMENT) if it answers something else.
        """
        faces: defaultdict[str, dict[str, Photo]] = defaultdict(dict)
        # A wrong address is told at once; what fails later is asked again.
        for name in self._list(self._json(self._send(Request(f"{self._base}/subjects"))), "subjects"):
            faces[_text(name)] = {}
        seen: set[str] = set()
        for number in range(MOST_PAGES):
            page = self._ask(f"/faces?page={number}&size={PAGE}")
            listed = self._list(page, "faces")
            new = [one for one in listed if isinstance(one, dict) and _text(one.get("image_id")) not in seen]
            for one in new:
                image_id = _text(one.get("image_id"))
                seen.add(image_id)
                photo = Photo(image_id, lambda image_id=image_id: self.photo(image_id), image_id)  # type: ignore[misc]
                faces[_text(one.get("subject"))][image_id] = photo
            # A service that knows no pages would answer the first one for ever.
            if not new or number + 1 >= _number(page.get("total_pages")):
                break
        people = tuple(Somebody(name, tuple(faces[name].values())) for name in sorted(faces))
        left = tuple(
            Left("", one.name, "", "NO_PHOTO", "the subject has no face there") for one in people if not one.photos
        )
        return Source(people, left, LOST, self.who, keeps_empty=True)

    def photo(self, image_id: str) -> bytes:
        """The photo of a face as it was uploaded.

        Raises InvalidArgument: it keeps none (NO_PICTURE), or fails on this one alone again and again (UNREADABLE);
        Unavailable if it fails on everything.
        """
        content = self._answer(Request(f"{self._base}/faces/{quote(image_id, safe='')}/img"))
        if not content:
            raise InvalidArgument("NO_PICTURE", NO_PICTURE)
        return content

    def who(self, photo: bytes) -> str:
        """Whom CompreFace names first in a photo, at any similarity, or why not. Raises Unavailable if it is away."""
        mark = uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n'
        body = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + photo + f"\r\n--{mark}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        url = f"{self._base}/recognize?limit=1&prediction_count=1"
        try:
            said = self._json(self._answer(Request(url, body, kind, method="POST")))
        except InvalidArgument as error:
            return f"refused: {error.message}"[:200]
        found = self._list(said, "result")
        subjects = found[0].get("subjects") if found and isinstance(found[0], dict) else None
        first = subjects[0] if subjects and isinstance(subjects, list) else None
        return _text(first.get("subject")) if isinstance(first, dict) else "nobody"

    def _ask(self, path: str) -> dict[str, Any]:
        request = Request(f"{self._base}{path}")
        return self._json(steadily(lambda: self._send(request)))

    def _answer(self, request: Request) -> bytes:
        """What it answers about one photo; where it fails on this one alone, that is the photo's own fault."""
        try:
            content = steadily(lambda: self._send(request))
        except Unavailable as error:
            self._suspicion.weigh(error)
            raise InvalidArgument("UNREADABLE", error.message) from error
        self._suspicion.clear()
        return content

    def _send(self, request: Request) -> bytes:
        request.add_header("x-api-key", self._key)
        try:
            with self._open(request, timeout=TIMEOUT_S) as answer:
                content: bytes = answer.read(MOST_BYTES + 1)
        except HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            message = f"CompreFace answers {error.code} to {request.selector.partition('?')[0]}: {said[:300]}"
            if error.code >= 500:
                raise Unavailable("SERVICE_UNREACHABLE", message) from error
            raise InvalidArgument("BAD_ARGUMENT", message) from error
        except (URLError, OSError) as error:
            message = f"CompreFace does not answer at {self._base}: {getattr(error, 'reason', error)}"
            raise Unavailable("SERVICE_UNREACHABLE", message) from error
        if len(content) > MOST_BYTES:
            raise InvalidArgument("BAD_ARGUMENT", f"CompreFace sends more than {MOST_BYTES >> 20} MiB")
        return content

    @staticmethod
    def _json(content: bytes) -> dict[str, Any]:
        try:
            said = json.loads(content)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise InvalidArgument("BAD_ARGUMENT", "the answer is none of CompreFace's; is --url its address?")
        return said

    @staticmethod
    def _list(said: dict[str, Any], name: str) -> list[Any]:
        found = said.get(name)
        if not isinstance(found, list):
            raise InvalidArgument("BAD_ARGUMENT", f"the answer has no {name}; is the key one of a recognition service?")
        return found


def _number(value: object) -> int:
    """How many there are, of an answer; 0 for what is no number."""
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    """A name or id of an answer."""
    if not isinstance(value, str) or not value:
        raise InvalidArgument("BAD_ARGUMENT", "the answer names a face or subject by something that is no text")
    return value
