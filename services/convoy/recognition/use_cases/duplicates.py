"""People who look like one another: perhaps one person under two ids."""

import asyncio

from convoy.recognition.domain.face_source import FaceSource
from convoy.recognition.domain.limits import page_size
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Replicas
from convoy.recognition.search.index import Hit
from convoy.recognition.use_cases.identification import Identification, check_criterion
from convoy.v1 import recognition_pb2 as pb

OTHERS = 20
# Searches of one page at a time, so that other callers' come between.
AT_ONCE = 8


class Duplicates:
    """The call FindDuplicates. Raises the errors that the API documents."""

    def __init__(self, replicas: Replicas, faces: FaceSource, identification: Identification) -> None:
        self._store = replicas.store
        self._replicas = replicas
        self._faces = faces
        self._identification = identification

    async def find(self, request: pb.FindDuplicatesRequest) -> pb.FindDuplicatesResponse:
        """Search every face of a page of people; the token of a page is its last id."""
        size = page_size(request.page_size)
        check_criterion(request)
        state = await self._replicas.state(request.gallery)
        model = await self._faces.model_of(state.gallery)
        threshold = self._identification.threshold(request, state, model, await state.count_faces([]))
        people = await self._store.list_people(request.gallery, request.page_token, size + 1)
        token = people[size - 1].person_id if len(people) > size else ""
        faces = [(one.person_id, face.face_id) for one in people[:size] for face in one.faces]
        templates = await self._store.get_templates(request.gallery, faces)
        probes = [
            (face, state.codec.decode(*face, template))
            for face, template in zip(faces, templates, strict=True)
            if template is not None
        ]
        turn = asyncio.Semaphore(AT_ONCE)

        async def search(vector: Vector) -> list[Hit]:
            async with turn:
                return await state.search(vector, OTHERS + 1, [], exact=False)

        found = await asyncio.gather(*(search(vector) for _, vector in probes))
        pairs: dict[tuple[str, str], pb.Duplicate] = {}
        for (face, _), hits in zip(probes, found, strict=True):
            for hit in hits:
                if face[0] < hit.person_id and hit.similarity >= threshold:
                    known = pairs.get((face[0], hit.person_id))
                    if known is None or known.similarity < hit.similarity:
                        pairs[face[0], hit.person_id] = _duplicate(face, hit)
        ranked = sorted(pairs.values(), key=lambda pair: (pair.person_id, -pair.similarity, pair.other_person_id))
        return pb.FindDuplicatesResponse(duplicates=ranked, next_page_token=token, match_threshold=threshold)


def _duplicate(face: tuple[str, str], hit: Hit) -> pb.Duplicate:
    return pb.Duplicate(
        person_id=face[0],
        face_id=face[1],
        other_person_id=hit.person_id,
        other_face_id=hit.face_id,
        similarity=hit.similarity,
    )
