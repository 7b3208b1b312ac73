"""A CompreFace for tests: the part of its REST interface by which people leave it, and its database as a dump."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "00000000-0000-0000-0000-000000000002"
OTHER_KEY = "00000000-0000-0000-0000-000000000003"


@dataclass
class CompreFaceStub:
    """Subjects, and faces by image id as (subject, photo), None for one that is not kept. says: who is in a photo.

    failing: words in paths that it answers with an error, always.
    """

    subjects: list[str] = field(default_factory=list)
    faces: dict[str, tuple[str, bytes | None]] = field(default_factory=dict)
    says: dict[bytes, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fail_after: int = 10**9
    failing: set[str] = field(default_factory=set)
    wrong: bytes | None = None
    redirect: str = ""
    page: int = 3

    def add(self, subject: str, *photos: bytes | None) -> list[str]:
        ids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{subject} {n}")) for n in range(len(photos))]
        self.subjects.append(subject)
        self.faces |= {i: (subject, photo) for i, photo in zip(ids, photos, strict=True)}
        return ids

    def answer(self, method: str, target: str, body: bytes, key: str | None) -> tuple[int, bytes]:
        self.asked.append(f"{method} {target}")
        if self.wrong is not None:
            return 200, self.wrong
        if len(self.asked) > self.fail_after:
            return 500, _json({"message": "Something went wrong", "code": 0})
        if any(word in target for word in self.failing):
            return 500, _json({"message": "Something went wrong", "code": 0})
        if key is None:
            return 400, _json({"message": "Missing request header 'x-api-key'", "code": 20})
        if key != KEY:
            return 404, _json({"message": f"Recognition service with API Key {key} not found", "code": 10})
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        words = url.path.removeprefix("/api/v1/recognition/").split("/")
        if words == ["subjects"]:
            return 200, _json({"subjects": self.subjects})
        if words == ["faces"]:
            page, size = int(query["page"]), min(int(query["size"]), self.page)
            listed = [{"image_id": i, "subject": subject} for i, (subject, _) in self.faces.items()]
            pages = -(-len(listed) // size)
            some = listed[page * size : (page + 1) * size]
            return 200, _json({"faces": some, "page_number": page, "page_size": size, "total_pages": pages})
        if len(words) == 3 and words[0] == "faces" and words[2] == "img":
            return 200, self.faces.get(words[1], ("", None))[1] or b""
        if words == ["recognize"] and method == "POST":
            photo = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
            if photo not in self.says:
                return 400, _json({"message": "No face is found in the given image", "code": 28})
            return 200, _json({"result": [{"subjects": [{"subject": self.says[photo], "similarity": 0.99}]}]})
        return 404, _json({"message": "not found", "code": 0})


@contextmanager
def serving(stub: CompreFaceStub) -> Iterator[str]:
    """The stub on a free port; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = stub.answer(self.command, self.path, body, self.headers.get("x-api-key"))
            self.send_response(302 if stub.redirect else status)
            if stub.redirect:
                self.send_header("Location", stub.redirect)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _json(said: object) -> bytes:
    return json.dumps(said).encode()


def escaped(text: str) -> str:
    """A text as COPY writes it."""
    for sign, word in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(sign, word)
    return text


def copied(stub: CompreFaceStub, inserts: bool = False) -> bytes:
    """The stub's database as pg_dump writes it, in the order of its tables by name: with COPY, or with --inserts.

    A second recognition service has a subject of the same name, and a third service is one of detection.
    """
    ids = {subject: str(uuid.uuid5(uuid.NAMESPACE_URL, subject)) for subject in stub.subjects}
    other = str(uuid.uuid5(uuid.NAMESPACE_URL, "other"))
    pictures = {i: str(uuid.uuid5(uuid.NAMESPACE_URL, f"img {i}")) for i, (_, photo) in stub.faces.items() if photo}
    vector = "{0.1,-0.2,NULL}"
    embeddings: list[tuple[str | None, ...]] = [
        (i, ids[subject], vector, "facenet.Calculator", pictures.get(i)) for i, (subject, _) in stub.faces.items()
    ]
    embeddings.append((str(uuid.uuid5(uuid.NAMESPACE_URL, "e")), other, vector, "facenet.Calculator", None))
    images: list[tuple[str | None, ...]] = [
        (picture, "\\x" + (stub.faces[i][1] or b"").hex()) for i, picture in pictures.items()
    ]
    tables: list[tuple[str, str, list[tuple[str | None, ...]]]] = [
        ("embedding", "id, subject_id, embedding, calculator, img_id", embeddings),
        ("img", "id, content", images),
        (
            "model",
            "id, name, type, app_id, guid, api_key",
            [
                ("1", "Door", "R", "1", "g1", KEY),
                ("2", "Gate", "R", "1", "g2", OTHER_KEY),
                ("3", "Look", "D", "1", "g3", "d"),
            ],
        ),
        (
            "subject",
            "id, api_key, subject_name",
            [*((i, KEY, subject) for subject, i in ids.items()), (other, OTHER_KEY, stub.subjects[0])],
        ),
    ]
    lines = ["--", "-- PostgreSQL database dump", "--", "SET client_encoding = 'UTF8';", ""]
    for name, columns, rows in tables:
        types = ",\n".join(f"    {column} text" for column in columns.split(", "))
        lines += [f"CREATE TABLE public.{name} (", types, ");", ""]
        if inserts:
            lines += [f"INSERT INTO public.{name} VALUES ({', '.join(map(_literal, row))});" for row in rows]
        else:
            lines += [f"COPY public.{name} ({columns}) FROM stdin;"]
            lines += ["\t".join("\\N" if one is None else escaped(one) for one in row) for row in rows]
            lines += ["\\.", "", ""]
    return "\n".join([*lines, "-- PostgreSQL database dump complete", ""]).encode()


def _literal(value: str | None) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'"
