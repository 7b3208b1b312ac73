"""The nearest people of each face of a picture."""

import asyncio
from collections.abc import Sequence

from convoy.recognition.domain.found_faces import EmbeddedFace
from convoy.recognition.domain.searches import Search
from convoy.recognition.search.index import Hit
from convoy.recognition.search.view import View
from convoy.recognition.use_cases.naming import CANDIDATES


async def search_faces(
    search: Search, view: View, faces: Sequence[EmbeddedFace], top_k: int, threshold: float
) -> list[list[Hit]]:
    """The nearest people of each face, best first: `top_k`, and all who may count in a picture of several faces."""
    searches = (view.search(face.embedding, top_k, search.entries, search.exact, averages=True) for face in faces)
    found = await asyncio.gather(*searches)
    deeper = max(top_k, min(len(faces) + 1, CANDIDATES))
    if deeper > top_k:
        cut = [i for i, hits in enumerate(found) if len(hits) == top_k and hits[-1].similarity >= threshold]
        again = (view.search(faces[i].embedding, deeper, search.entries, search.exact, averages=True) for i in cut)
        for i, hits in zip(cut, await asyncio.gather(*again), strict=True):
            found[i] = hits
    return found


async def find_nearest(
    search: Search, view: View, faces: Sequence[EmbeddedFace], found: Sequence[Sequence[Hit]]
) -> list[Sequence[Hit]]:
    """The people of each face that the caller wants to see besides. found: whom the decision was made among.

    More are searched apart from those, so that the decision is the same as without them.
    """
    more = search.nearest

    async def of(face: EmbeddedFace, hits: Sequence[Hit]) -> Sequence[Hit]:
        if more <= len(hits):
            return hits[:more]
        return await view.search(face.embedding, more, search.entries, search.exact, averages=True)

    return list(await asyncio.gather(*map(of, faces, found)))
