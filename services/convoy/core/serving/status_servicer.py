"""StatusService: what the caller may do, and how much the service has to do."""

from convoy.core.security.callers import caller
from convoy.core.serving.load_history import LoadHistory
from convoy.core.serving.status import Context
from convoy.v1 import status_pb2, status_pb2_grpc


class StatusServicer(status_pb2_grpc.StatusServiceServicer):
    """Answers for one service."""

    def __init__(self, load: LoadHistory) -> None:
        self._load = load

    async def GetCaller(self, request: status_pb2.GetCallerRequest, context: Context) -> status_pb2.GetCallerResponse:
        """Tell whom the service takes the caller for."""
        found = caller()
        return status_pb2.GetCallerResponse(
            name=found.name, is_limited=found.scopes is not None, scopes=sorted(found.scopes or ())
        )

    async def GetLoad(self, request: status_pb2.GetLoadRequest, context: Context) -> status_pb2.GetLoadResponse:
        """Tell how much there was to do in the last minutes."""
        return self._load.recent()
