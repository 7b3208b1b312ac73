"""The calls to the services for one request of a door: with its key as the token, on the gallery that the key names."""

from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request

from convoy.core.api import ServiceName
from convoy.core.errors import AlreadyExists, NotFound, PermissionDenied
from convoy.v1 import recognition_pb2
from convoy.web.calls import Backends
from convoy.web.doors.keys import Admission
from convoy.web.doors.places import Places
from convoy.web.methods import Method, methods

RECOGNITION = "RecognitionService"


class Caller:
    """Asks the services for the client of one request, whose body has been read."""

    def __init__(self, request: Request, backends: Backends, admission: Admission, places: Places) -> None:
        self._request = _with_token(request, admission.token)
        self._backends = backends
        self.admission = admission
        self.places = places

    @property
    def gallery(self) -> str:
        """The gallery that the client works on. Raises PermissionDenied(NO_ONE_GALLERY)."""
        return self.admission.need_gallery()

    def header(self, name: str) -> str:
        """A header of the request; empty if it is missing."""
        value: str = self._request.headers.get(name, "")
        return value

    async def ask(self, rpc: str, message: Message) -> Any:
        """Make a call, rpc: Service/Method. Raises ConvoyError with the service's reason."""
        method = methods()[f"/convoy.v1.{rpc}"]
        return await self._ask(method, method.services[0], message)

    async def ask_service(self, service: ServiceName, rpc: str, message: Message) -> Any:
        """Ask one service what several answer: a call on its models. Raises ConvoyError with the service's reason."""
        return await self._ask(methods()[f"/convoy.v1.ModelService/{rpc}"], service, message)

    async def ask_about(self, rpc: str, message: Any) -> Any:
        """Make a call on the gallery. Where there is none yet, make it if the key may: these systems have no such step.

        Raises ConvoyError with the service's reason.
        """
        call = f"{RECOGNITION}/{rpc}"
        try:
            return await self.ask(call, message)
        except NotFound as error:
            if error.reason != "GALLERY_NOT_FOUND":
                raise
            await self._make_gallery(error)
        return await self.ask(call, message)

    async def _ask(self, method: Method, service: ServiceName, message: Message) -> Any:
        self.admission.check(method.path, service, message)
        answer = await self._backends.ask(self._request, method, service, message)
        self.admission.hide(answer)
        return answer

    async def _make_gallery(self, missing: NotFound) -> None:
        request = recognition_pb2.CreateGalleryRequest(gallery=self.gallery)
        try:
            await self.ask(f"{RECOGNITION}/CreateGallery", request)
        except AlreadyExists:
            pass
        except PermissionDenied:
            missing.hint = f"make it: convoy gallery create {self.gallery}"
            raise missing from None


def _with_token(request: Request, token: str) -> Request:
    """The request as it is, but for the token that goes on to the services."""
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"authorization"]
    if token:
        headers.append((b"authorization", b"Bearer " + token.encode("ascii", "replace")))
    return Request({**request.scope, "headers": headers}, request.receive)
