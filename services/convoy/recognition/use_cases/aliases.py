"""Names that stand for galleries in the calls on pictures and people."""

import time
from typing import Any

from convoy.core.errors import Unavailable
from convoy.core.security.demands import naming_part
from convoy.recognition.domain.limits import check_gallery_name
from convoy.recognition.store.base import Store
from convoy.recognition.use_cases.galleries import Galleries
from convoy.v1 import recognition_pb2 as pb

FRESH_S = 1.0


class Aliases:
    """The calls on aliases, and what each stands for, as the store said within the last second."""

    def __init__(self, store: Store, galleries: Galleries) -> None:
        self._store = store
        self._galleries = galleries
        self._stands_for: dict[str, str] = {}
        self._read_at = -FRESH_S

    async def set(self, request: pb.SetGalleryAliasRequest) -> pb.SetGalleryAliasResponse:
        """Let a name stand for a gallery; told in the audit of the gallery that it now stands for, or stood for."""
        check_gallery_name(request.alias)
        stood_for = (await self._store.list_aliases()).get(request.alias, "")
        if request.gallery:
            await self._galleries.note(request.gallery, "SetGalleryAlias", f"{request.alias} stands for it")
        await self._store.set_alias(request.alias, request.gallery)
        if stood_for and stood_for != request.gallery:
            await self._galleries.note_if_there(stood_for, "SetGalleryAlias", f"{request.alias} stands for it no more")
        self._read_at = -FRESH_S
        return pb.SetGalleryAliasResponse()

    async def list(self, request: pb.ListGalleryAliasesRequest) -> pb.ListGalleryAliasesResponse:
        """Every alias by name."""
        aliases = sorted((await self._store.list_aliases()).items())
        named = [pb.GalleryAlias(alias=alias, gallery=gallery) for alias, gallery in aliases]
        return pb.ListGalleryAliasesResponse(aliases=named)

    async def follow(self, request: Any) -> None:
        """Write the gallery that an alias stands for into a request that names the alias."""
        naming = naming_part(request)
        if naming is not None and naming.gallery:
            naming.gallery = (await self._fresh()).get(naming.gallery, naming.gallery)

    async def _fresh(self) -> dict[str, str]:
        if time.monotonic() - self._read_at >= FRESH_S:
            self._read_at = time.monotonic()
            try:
                self._stands_for = await self._store.list_aliases()
            except Unavailable:
                # Searches go on for a while without the store; each call says itself when it cannot.
                return self._stands_for
        return self._stands_for
