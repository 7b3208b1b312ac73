"""The life of galleries: make, find, change, delete; how this replica stands, and who changed what."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from convoy.core.errors import FailedPrecondition, InvalidArgument, NotFound
from convoy.recognition.domain.caller import current_call, now_ms
from convoy.recognition.domain.face_source import FaceSource
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.limits import check_gallery_name, check_request_id, check_text, page_size
from convoy.recognition.domain.records import Gallery, Policy
from convoy.recognition.messages import audit_message, gallery_message, read_policy, read_vector_sets, reset_policy
from convoy.recognition.search.followers import Replicas
from convoy.recognition.store.base import Request, Store, gallery_not_found
from convoy.recognition.store.tries import tried_again
from convoy.recognition.use_cases.consistency import Comparison
from convoy.v1 import recognition_pb2 as pb


class Galleries:
    """The calls on whole galleries. Each raises the errors that the API documents."""

    def __init__(self, store: Store, replicas: Replicas, faces: FaceSource, keys: MasterKeys) -> None:
        self._store = store
        self._replicas = replicas
        self._faces = faces
        self._keys = keys
        self.comparison = Comparison(store, replicas)

    async def create(self, request: pb.CreateGalleryRequest) -> pb.CreateGalleryResponse:
        """Make an empty gallery, bound to the embedder in use."""
        check_gallery_name(request.gallery)
        check_text("description", request.description)
        check_request_id(request.request_id)
        policy = read_policy(request.policy, Policy())
        sets = read_vector_sets(request)
        model = (await self._faces.model(request.model if request.HasField("model") else None)).model
        data_key = self._keys.new_data_key(request.gallery)
        gallery = Gallery(request.gallery, model, request.description, policy, now_ms(), data_key, sets)
        if sets:
            await self._announce(gallery)
        await self._store.create_gallery(gallery, current_call().note("CreateGallery"), Request(request.request_id))
        return pb.CreateGalleryResponse(gallery=gallery_message(await self._store.get_gallery(gallery.name)))

    async def _announce(self, gallery: Gallery) -> None:
        """Raise FailedPrecondition(BACKEND_UNAVAILABLE) if the gallery cannot be searched in vector sets."""
        if gallery.data_key:
            message = (
                "templates are sealed here (CONVOY_TEMPLATE_KEY_FILE), and Redis can only search vectors in the clear; "
                "use BACKEND_MEMORY, or a deployment without a key"
            )
            raise FailedPrecondition("BACKEND_UNAVAILABLE", message)
        if self._replicas.vector_sets is None:
            raise FailedPrecondition("BACKEND_UNAVAILABLE", "this service has no Redis")
        await self._replicas.vector_sets.check()
        await self._replicas.vector_sets.announce(gallery)

    async def get(self, request: pb.GetGalleryRequest) -> pb.GetGalleryResponse:
        """One gallery."""
        return pb.GetGalleryResponse(gallery=gallery_message(await self._store.get_gallery(request.gallery)))

    async def list(self, request: pb.ListGalleriesRequest) -> pb.ListGalleriesResponse:
        """Galleries by name; the token of a page is its last name."""
        size = page_size(request.page_size)
        galleries = await self._store.list_galleries(request.page_token, size + 1)
        token = galleries[size - 1].name if len(galleries) > size else ""
        return pb.ListGalleriesResponse(galleries=map(gallery_message, galleries[:size]), next_page_token=token)

    async def update(self, request: pb.UpdateGalleryRequest) -> pb.UpdateGalleryResponse:
        """Change description or policy."""
        check_text("description", request.description)

        async def attempt() -> None:
            before = await self._store.get_gallery(request.gallery)
            description = request.description if request.HasField("description") else before.description
            policy = read_policy(request.policy, reset_policy(before.policy, request.reset_policy_fields))
            after = replace(before, description=description, policy=policy)
            await self._store.update_gallery(before, after, current_call().note("UpdateGallery"))

        await tried_again(attempt)
        return pb.UpdateGalleryResponse(gallery=gallery_message(await self._store.get_gallery(request.gallery)))

    async def note(self, name: str, action: str, outcome: str) -> None:
        """Tell in the gallery's audit what was done with it. Raises NotFound(GALLERY_NOT_FOUND)."""

        async def attempt() -> None:
            gallery = await self._store.get_gallery(name)
            await self._store.update_gallery(gallery, gallery, current_call().note(action, outcome=outcome))

        await tried_again(attempt)

    async def note_if_there(self, name: str, action: str, outcome: str) -> None:
        """`note`, unless there is no such gallery any more."""
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

    async def delete(self, request: pb.DeleteGalleryRequest) -> pb.DeleteGalleryResponse:
        """Delete a gallery with everybody in it."""
        last = await self._store.delete_gallery(request.gallery, current_call().note("DeleteGallery"))
        if last.vector_sets and self._replicas.vector_sets:
            await self._replicas.vector_sets.drop(last)
        return pb.DeleteGalleryResponse(people_deleted=last.people, faces_deleted=last.faces)

    async def sweep(self, galleries: Mapping[str, Gallery]) -> None:
        """Delete what others than these, which are all, have left in vector sets."""
        if self._replicas.vector_sets:
            await self._replicas.vector_sets.sweep(galleries)

    async def status(self, request: pb.GetGalleryStatusRequest) -> pb.GetGalleryStatusResponse:
        """How this replica stands to the store."""
        gallery = await self._store.get_gallery(request.gallery)
        state = await self._replicas.state(request.gallery)
        faces, size = await state.measure()
        here, there = await self.comparison.compare(gallery.name) if request.verify else ("", "")
        return pb.GetGalleryStatusResponse(
            store_version=gallery.version,
            index_version=state.head.version,
            indexed_faces=faces,
            index_bytes=size,
            index_checksum=here if request.verify or gallery.vector_sets else await state.checksum(),
            store_checksum=there,
        )

    async def audit(self, request: pb.ListAuditEventsRequest) -> pb.ListAuditEventsResponse:
        """Who changed what and when, newest first; a deleted gallery keeps its history."""
        size, token = page_size(request.page_size), request.page_token or "0"
        if not token.isdecimal():
            raise InvalidArgument("BAD_ARGUMENT", "page_token is not one that this call gave", {"field": "page_token"})
        changes = await self._store.list_changes(request.gallery, int(token), size + 1)
        if not changes and token == "0":
            raise gallery_not_found(request.gallery)
        token = str(changes[size - 1].version) if len(changes) > size else ""
        return pb.ListAuditEventsResponse(events=map(audit_message, changes[:size]), next_page_token=token)
