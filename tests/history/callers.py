"""Callers who do at random what users do, through all replicas, and note what they asked and were told."""

import asyncio
import random
import time
from typing import Any

import grpc
from convoy.v1 import recognition_pb2 as r
from convoy.v1 import recognition_pb2_grpc

from tests.fake_faces import photo_of
from tests.history.operations import OK, REFUSED, UNKNOWN, Operation, Seen
from tests.serving import read_refusal

GALLERY = "history"
PEOPLE, LOOKS = 6, 3
"""Two ids for each face: whoever registers one must be refused while the other is there."""
DEADLINE_S = 4.0
PAUSE_S = 0.02
# What a service says of a change that it has certainly not made. Any other refusal may have come too late.
SURELY_NOT = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
}
WEIGHTS = {
    "Register": 6, "add faces": 4, "UpdatePerson": 4, "DeletePerson": 4, "DeleteFace": 2, "MergePeople": 1,
    "again": 3, "other": 1, "GetPerson": 5, "ListPeople": 2, "Identify": 8, "Identify what I know of": 8,
}  # fmt: skip


def person_of(number: int) -> str:
    return f"p{number}"


class Replica:
    """A channel to one replica. name: of its process, which changes when it is started anew."""

    def __init__(self, name: str, address: str) -> None:
        options = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)]
        self.channel = grpc.aio.insecure_channel(address, [*options, ("grpc.enable_retries", 0)])
        self.stub: Any = recognition_pb2_grpc.RecognitionServiceStub(self.channel)
        self.name = name


class Callers:
    """lanes: so many call at the same time. All they do comes from the seed; when it happens does not."""

    def __init__(self, replicas: list[Replica], seed: int) -> None:
        self.operations: list[Operation] = []
        self._replicas = replicas
        self._seed = seed
        self._began = time.monotonic()
        self._photos = iter(range(1, 1 << 30))
        self._known: dict[str, list[tuple[str, str]]] = {}

    async def run(self, lanes: int, over: asyncio.Event) -> None:
        await asyncio.gather(*(self._lane(lane, over) for lane in range(lanes)))

    async def _lane(self, lane: int, over: asyncio.Event) -> None:
        rng, number = random.Random(f"{self._seed}/{lane}"), 0
        mine, version, epoch = [], 0, ""
        while not over.is_set():
            number += 1
            kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            made = self._new(kind, f"{lane}-{number}", rng, mine, version, epoch)
            if made is None:
                continue
            request, asked = made
            done = await self._call(rng.choice(self._replicas), request, f"{lane}-{number}", asked)
            if done.outcome == OK and "epoch" in done.answer:
                version, epoch = max(version, done.answer["version"]), done.answer["epoch"]
            if asked.get("request_id") and not asked.get("is_other"):
                mine.append((request, asked))
            # A replica that is away says so at once: its callers do not ask without end.
            await asyncio.sleep(rng.uniform(0, 2 * PAUSE_S) * (10 if done.outcome == UNKNOWN else 1))

    def _new(
        self, kind: str, id: str, rng: random.Random, mine: list[Any], version: int, epoch: str
    ) -> tuple[Any, dict[str, Any]] | None:
        number = rng.randrange(PEOPLE)
        at: Any = {"gallery": GALLERY, "person_id": person_of(number)}
        asked: dict[str, Any] = {"person_id": at["person_id"]}
        request_id = f"r{id}" if rng.random() < 0.7 else ""
        match kind:
            case "Register" | "add faces":
                look, add = number % LOOKS, kind == "add faces"
                asked |= {"name": id, "look": str(look), "label": id, "add_faces": add, "request_id": request_id}
                photo = photo_of(look, next(self._photos))
                said = {"display_name": id, "add_faces": add, "request_id": request_id, "allow_different": True}
                return r.RegisterRequest(**at, **said, photos=[photo], photo_labels=[id]), asked
            case "UpdatePerson":
                return r.UpdatePersonRequest(**at, display_name=id), asked | {"name": id}
            case "DeletePerson":
                return r.DeletePersonRequest(**at), asked
            case "DeleteFace":
                if not (faces := self._known.get(at["person_id"])):
                    return None
                face_id, label = rng.choice(faces)
                return r.DeleteFaceRequest(**at, face_id=face_id), asked | {"label": label}
            case "MergePeople":
                other = person_of(rng.choice([one for one in range(PEOPLE) if one != number]))
                asked |= {"merged_person_id": other, "request_id": request_id}
                return r.MergePeopleRequest(**at, merged_person_id=other, request_id=request_id), asked
            case "again":
                if not mine:
                    return None
                request, first = rng.choice(mine[-20:])
                return request, dict(first)
            case "other":
                if not mine:
                    return None
                _, first = rng.choice(mine[-20:])
                asked |= {"name": id, "look": str(number % LOOKS), "add_faces": True, "is_other": True}
                asked["request_id"] = first["request_id"]
                asked["label"] = id
                said = {"display_name": id, "add_faces": True, "request_id": first["request_id"], "photo_labels": [id]}
                return r.RegisterRequest(**at, **said, photos=[photo_of(number % LOOKS, next(self._photos))]), asked
            case "GetPerson":
                return r.GetPersonRequest(**at), asked
            case "ListPeople":
                return r.ListPeopleRequest(gallery=GALLERY), {}
        look = number % LOOKS
        least, in_epoch = (version, epoch) if kind == "Identify what I know of" else (0, "")
        people = [person_of(one) for one in range(PEOPLE)]
        said = {"min_version": least, "epoch": in_epoch, "image": photo_of(look, 0), "top_k": PEOPLE}
        return r.IdentifyRequest(gallery=GALLERY, **said), {"look": str(look), "min_version": least, "people": people}

    async def _call(self, replica: Replica, request: Any, id: str, asked: dict[str, Any]) -> Operation:
        kind = type(request).__name__.removesuffix("Request")
        # Whoever asks a process that is then started anew hears no answer of the old one.
        one = Operation(id, kind, replica.name, self._now(), 0.0, UNKNOWN, asked)
        try:
            sent = getattr(replica.stub, kind)(request, timeout=DEADLINE_S, metadata=[("x-request-id", id)])
            one.answer, one.outcome = self._read(kind, await sent, asked), OK
        except grpc.aio.AioRpcError as error:
            said = read_refusal(error)
            one.answer = {"status": said.code.name, "reason": said.reason, "message": said.message}
            one.answer["person_id"] = said.metadata.get("person_id", "")
            # A request that is answered again finds nobody where the person is gone since.
            is_again = said.reason == "PERSON_NOT_FOUND" and asked.get("request_id")
            one.outcome = REFUSED if said.code in SURELY_NOT and not is_again else UNKNOWN
        one.ended = self._now()
        self.operations.append(one)
        return one

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _read(self, kind: str, said: Any, asked: dict[str, Any]) -> dict[str, Any]:
        if kind == "GetPerson":
            self._known[said.person.person_id] = [
                (face.face_id, face.label) for face in said.person.faces if face.label
            ]
            return {"people": {said.person.person_id: seen(said.person)}}
        if kind == "ListPeople":
            there = {person.person_id: seen(person) for person in said.people}
            return {"people": {person_of(one): there.get(person_of(one)) for one in range(PEOPLE)}}
        if kind == "Identify":
            named = [match.person_id for face in said.faces for match in face.matches]
            return {"version": said.version, "named": named}
        told = {"version": said.version, "epoch": said.epoch}
        return told | ({"person": seen(said.person)} if kind in ("Register", "UpdatePerson", "MergePeople") else {})


def seen(person: Any) -> Seen:
    """A person as the checker compares it."""
    labels = [face.label for face in person.faces if face.label]
    return {"name": person.display_name, "faces": len(person.faces), "labels": labels}
