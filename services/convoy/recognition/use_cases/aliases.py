"""Names that stand for galleries in the calls on pictures and people."""

import asyncio
import time
from collections.abc import Mapping, Sequence

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
        self._stands_for: dict[str, str] | None = None
        self._read_at = -FRESH_S
        self._changes = 0
        self._reading = asyncio.Lock()

    async def set(self, alias: str, gallery: str) -> str:
        """Let a name stand for a gallery, or for none when `gallery` is empty; say what the alias grants.

        The audit of the gallery that it stands for now says so, and that of the gallery that it stood for.
        """
        check_gallery_name(alias)
        stood_for = (await self._store.list_aliases()).get(alias, "")
        if gallery:
            await self._galleries.note(gallery, "SetGalleryAlias", f"{alias} stands for it")
        await self._store.set_alias(alias, gallery)
        if stood_for and stood_for != gallery:
            await self._galleries.note_if_there(stood_for, "SetGalleryAlias", f"{alias} stands for it no more")
        self._stands_for, self._read_at = None, -FRESH_S
        self._changes += 1
        if not gallery:
            return ""
        return (
            f"Whoever has the scope gallery:{alias}:read may now search {gallery} by the name {alias}, and whoever has "
            f"gallery:{alias}:write may change who is in {gallery}."
        )

    async def list(self) -> Sequence[tuple[str, str]]:
        """Every alias and its gallery, by alias."""
        return sorted((await self._store.list_aliases()).items())

    async def resolve(self, name: str) -> str:
        """The gallery that a name stands for; the name itself if it is no alias."""
        return (await self._fresh()).get(name, name) if name else name

    async def _fresh(self) -> Mapping[str, str]:
        if self._stands_for is not None:
            return self._stands_for if self._is_fresh else await self._read()
        # Nobody is answered before the first reading is there.
        async with self._reading:
            if self._stands_for is None and not self._is_fresh:
                return await self._read()
            return self._stands_for or {}

    @property
    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < FRESH_S

    async def _read(self) -> Mapping[str, str]:
        self._read_at, changes = time.monotonic(), self._changes
        try:
            found = await self._store.list_aliases()
        except Unavailable:
            # Searches go on for a while without the store; a call that cannot says so itself.
            self._read_at = time.monotonic()
            return self._stands_for or {}
        except BaseException:
            # Who asked has hung up, or there was too much to do: the next one asks again.
            self._read_at = -FRESH_S
            raise
        if changes == self._changes:
            self._stands_for = found
        return found
