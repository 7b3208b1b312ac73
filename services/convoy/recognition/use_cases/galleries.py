"""The life of galleries: make, find, change, delete; how this replica stands, and who changed what."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from convoy.core.errors import ConvoyError, FailedPrecondition, NotFound, Unavailable
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.edits import GalleryEdit, NewGallery
from convoy.recognition.domain.face_source import FaceSource
from convoy.recognition.domain.growth import Limits
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.limits import check_gallery_name, check_request_id, check_text
from convoy.recognition.domain.pages import Page, cut, page_size, version_of
from convoy.recognition.domain.records import Change, Gallery, Policy, UnreadableGallery
from convoy.recognition.domain.tasks import to_its_end
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import UNREADABLE, Idempotency, NotSafe, Store, gallery_not_found
from convoy.recognition.use_cases.consistency import Consistency
from convoy.recognition.use_cases.erasures import Erasure
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.journal import Journal
from convoy.recognition.use_cases.repetition import same


@dataclass(frozen=True)
class GalleryStatus:
    """How this replica stands to the store; see GetGalleryStatusResponse in recognition.proto."""

    store_version: int
    index_version: int
    indexed_faces: int
    index_bytes: int
    index_checksum: str
    store_checksum: str
    problem: str = ""
    limits: Limits | None = None
    epoch: str = ""


class Galleries:
    """The calls on whole galleries. Each raises the errors that the API documents."""

    def __init__(
        self,
        store: Store,
        followers: Followers,
        faces: FaceSource,
        keys: MasterKeys,
        growth: Growth,
        journal: Journal | None = None,
    ) -> None:
        self._journal = journal or Journal()
        self._store = store
        self._followers = followers
        self._faces = faces
        self._keys = keys
        self._growth = growth
        self.consistency = Consistency(store, followers)

    async def create(self, new: NewGallery) -> Gallery:
        """Make an empty gallery, bound to the embedder that is asked for, or to the one in use."""
        check_gallery_name(new.name)
        check_text("description", new.description)
        check_request_id(new.request_id)
        policy = new.policy.apply(Policy())
        model = (await self._faces.model(new.model)).model
        data_key = self._keys.new_data_key(new.name)
        gallery = Gallery(new.name, model, new.description, policy, now_ms(), data_key, new.vector_sets)
        if new.vector_sets:
            await self._announce(gallery)
        request = Idempotency(new.request_id, content=new.digest())
        same(await self._store.create_gallery(gallery, current_call().note("CreateGallery"), request), request)
        return await self._store.get_gallery(gallery.name)

    async def _announce(self, gallery: Gallery) -> None:
        """Raise FailedPrecondition(BACKEND_UNAVAILABLE) if the gallery cannot be searched in vector sets."""
        _check_averages(gallery)
        if gallery.data_key:
            message = (
                "templates are sealed here (CONVOY_TEMPLATE_KEY_FILE), and Redis can only search vectors in the clear; "
                "use BACKEND_MEMORY, or a deployment without a key"
            )
            raise FailedPrecondition("BACKEND_UNAVAILABLE", message)
        if self._followers.vector_sets is None:
            raise FailedPrecondition("BACKEND_UNAVAILABLE", "this service has no Redis")
        await self._followers.vector_sets.check()
        await self._followers.vector_sets.announce(gallery)

    async def get(self, name: str) -> Gallery:
        """One gallery."""
        return await self._store.get_gallery(name)

    def known(self, name: str) -> Gallery | None:
        """A gallery as this process knows it; None if it does not follow it, or cannot read it."""
        follower = self._followers.get(name)
        return follower.view.gallery if follower and follower.view else None

    async def list(self, token: str, size: int) -> Page[Gallery | UnreadableGallery]:
        """Galleries by name; the token of a page is its last name."""
        size = page_size(size)
        return cut(await self._store.list_galleries(token, size + 1), size, lambda gallery: gallery.name)

    async def update(self, edit: GalleryEdit) -> Gallery:
        """Change the description or the policy."""
        check_text("description", edit.description or "")

        async def attempt() -> None:
            before = await self._store.get_gallery(edit.name)
            description = before.description if edit.description is None else edit.description
            after = replace(before, description=description, policy=edit.policy.apply(before.policy))
            _check_averages(after)
            await self._store.update_gallery(before, after, current_call().note("UpdateGallery"))

        await self._followers.turns.tried_again(edit.name, attempt)
        return await self._store.get_gallery(edit.name)

    async def note(self, name: str, action: str, outcome: str) -> None:
        """Tell in the gallery's audit what was done with it. Raises NotFound(GALLERY_NOT_FOUND)."""

        async def attempt() -> None:
            gallery = await self._store.get_gallery(name)
            await self._store.update_gallery(gallery, gallery, current_call().note(action, outcome=outcome))

        await self._followers.turns.tried_again(name, attempt)

    async def note_if_there(self, name: str, action: str, outcome: str) -> None:
        """Do the same, unless the gallery is gone."""
        with suppress(NotFound):
            await self.note(name, action, outcome)

    def reload_keys(self) -> None:
        """Read the master keys again. Raises FailedPrecondition(BAD_KEY_FILE): those read before stay in use."""
        self._keys.reload()

    async def rotate(self, gallery: Gallery) -> None:
        """Wrap the gallery's data key by the current master key, if it is not already."""
        data_key = self._keys.rewrap(gallery.name, gallery.data_key)
        if data_key != gallery.data_key:
            await self._store.update_gallery(
                gallery, replace(gallery, data_key=data_key), current_call().note("RotateKey")
            )

    async def delete(self, name: str) -> Gallery:
        """Delete a gallery with everybody in it; gives its last state. A caller who hangs up does not stop it."""
        return await to_its_end(self._delete(name))

    async def _delete(self, name: str) -> Gallery:
        try:
            last = await self._store.delete_gallery(name, current_call().note("DeleteGallery"))
        except NotSafe:
            # It is deleted all the same, and is not found when the call is repeated.
            await self._journal.note([Erasure(name, now_ms())])
            raise
        await self._journal.note([Erasure(name, now_ms())])
        if last.vector_sets and self._followers.vector_sets:
            await self._followers.vector_sets.drop(last)
        return last

    async def sweep(self, galleries: Mapping[str, Gallery | UnreadableGallery]) -> None:
        """Let go of what belongs to none of these galleries, which must be all that there are; also of vector sets."""
        self._growth.forget_all_but(galleries)
        self.consistency.forget_all_but(galleries)
        self._followers.forget_deleted()
        if self._followers.vector_sets:
            await self._followers.vector_sets.sweep(galleries)

    async def status(self, name: str, verify: bool) -> GalleryStatus:
        """How this replica stands to the store; verify: compare every face with the store too."""
        try:
            return await self._status(name, verify)
        except (Unavailable, FailedPrecondition) as error:
            if error.reason not in (UNREADABLE, "KEY_MISSING"):
                raise
            return GalleryStatus(0, 0, 0, 0, "", "", error.message)

    async def _status(self, name: str, verify: bool) -> GalleryStatus:
        gallery = await self._store.get_gallery(name)
        view = await self._followers.view(name)
        faces, size = await view.measure()
        here, there = await self.consistency.compare(name) if verify else ("", "")
        return GalleryStatus(
            store_version=gallery.version,
            index_version=view.head.version,
            indexed_faces=faces,
            index_bytes=size,
            # Of vector sets a checksum takes as long as reading all of them: it is given when asked for.
            index_checksum=here if verify or gallery.vector_sets else await view.checksum(),
            store_checksum=there,
            limits=await self._limits(view.gallery, await view.count_faces([])),
            epoch=view.head.epoch,
        )

    async def _limits(self, gallery: Gallery, faces: int) -> Limits:
        try:
            return self._growth.judge(gallery, await self._faces.model_of(gallery), faces)
        except ConvoyError as error:
            return self._growth.unknown(gallery, error.message)

    async def audit(self, name: str, token: str, size: int) -> Page[Change]:
        """Who changed what and when, newest first; a deleted gallery keeps its history."""
        size, before = page_size(size), version_of(token)
        changes = await self._store.list_changes(name, before, size + 1)
        if not changes and not before:
            raise gallery_not_found(name)
        return cut(changes, size, lambda change: str(change.version))


def _check_averages(gallery: Gallery) -> None:
    """Raise FailedPrecondition(BACKEND_UNAVAILABLE) where averages are asked for and cannot be searched."""
    if gallery.vector_sets and gallery.policy.average_faces:
        message = "average_faces works in memory alone; vector sets hold faces, not averages"
        raise FailedPrecondition("BACKEND_UNAVAILABLE", message)
