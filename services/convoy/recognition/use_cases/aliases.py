"""Names that stand for galleries in the calls on pictures and people."""

import time
from collections.abc import Sequence

from convoy.core.errors import Unavailable
from convoy.recognition.domain.limits import check_gallery_name
from convoy.recognition.store.base import Store
from convoy.recognition.use_cases.galleries import Galleries

FRESH_S = 1.0


class Aliases:
    """The calls on aliases, and what each stands for, as the store said within the last second."""

    def __init__(self, store: Store, galleries: Galleries) -> None:
        self._store = store
        self._galleries = galleries
        self._stands_for: dict[str, str] = {}
        self._read_at = -FRESH_S

    async def set(self, alias: str, gallery: str) -> None:
        """Let a name stand for a gallery, or for none when `gallery` is empty.

        The audit of the gallery that it stands for now says so, and that of the gallery that it stood for.
        """
        check_gallery_name(alias)
        stood_for = (await self._store.list_aliases()).get(alias, "")
        if gallery:
            await self._galleries.note(gallery, "SetGalleryAlias", f"{alias} stands for it")
        await self._store.set_alias(alias, gallery)
        if stood_for and stood_for != gallery:
            await self._galleries.note_if_there(stood_for, "SetGalleryAlias", f"{alias} stands for it no more")
        self._read_at = -FRESH_S

    async def list(self) -> Sequence[tuple[str, str]]:
        """Every alias and its gallery, by alias."""
        return sorted((await self._store.list_aliases()).items())

    async def resolve(self, name: str) -> str:
        """The gallery that a name stands for; the name itself if it is no alias."""
        return (await self._fresh()).get(name, name) if name else name

    async def _fresh(self) -> dict[str, str]:
        if time.monotonic() - self._read_at >= FRESH_S:
            self._read_at = time.monotonic()
            try:
                self._stands_for = await self._store.list_aliases()
            except Unavailable:
                # Searches go on for a while without the store; a call that cannot says so itself.
                return self._stands_for
        return self._stands_for
