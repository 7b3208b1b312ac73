"""ModelService: lists, loads and unloads the models of a service."""

from convoy.core.api import split_model
from convoy.core.errors import FailedPrecondition, PermissionDenied
from convoy.core.models.host import ModelHost
from convoy.core.models.versions import Entry
from convoy.core.serving.status import Context
from convoy.core.settings import Settings
from convoy.v1 import common_pb2, models_pb2, models_pb2_grpc


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Lists, loads and unloads a host's models."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Context
    ) -> models_pb2.ListModelsResponse:
        """List every version in the repository, loaded or not."""
        infos = [_info(entry, self._is_default(entry)) for entry in await self._host.repository.entries()]
        return models_pb2.ListModelsResponse(models=infos)

    async def LoadModel(self, request: models_pb2.LoadModelRequest, context: Context) -> models_pb2.LoadModelResponse:
        """Load a version and let it answer."""
        self._check_admin()
        model = await self._host.repository.load(request.model.name, request.model.version)
        entry = Entry(model.manifest.name, model.manifest.version, model.manifest, model)
        return models_pb2.LoadModelResponse(model=_info(entry, self._is_default(entry)))

    async def UnloadModel(
        self, request: models_pb2.UnloadModelRequest, context: Context
    ) -> models_pb2.UnloadModelResponse:
        """Unload a version, unless the service needs it."""
        self._check_admin()
        name, version = request.model.name, request.model.version
        loaded = [e for e in await self._host.repository.entries() if e.loaded and e.name == name]
        kept = [e for e in loaded if version and e.version != version]
        if any(self._host.is_pinned(name, e.version) for e in loaded) and not kept:
            raise FailedPrecondition(
                "DEFAULT_MODEL", f"'{name}' cannot be unloaded: the service answers with it by default"
            )
        await self._host.repository.unload(name, version)
        return models_pb2.UnloadModelResponse()

    def _is_default(self, entry: Entry) -> bool:
        name, version = split_model(self._host.default)
        if entry.loaded is None or entry.name != name:
            return False
        return entry.loaded is self._host.repository.get(name, version)

    def _check_admin(self) -> None:
        settings = self._host.settings
        if not (_is_guarded(settings) if settings.admin is None else settings.admin):
            raise PermissionDenied(
                "ADMIN_DISABLED",
                "this service does not let callers load or unload models",
                hint="CONVOY_ADMIN=true allows it",
            )


def _is_guarded(settings: Settings) -> bool:
    """Whether strangers can make no calls. An address of this machine says nothing: a proxy here brings in anybody."""
    return settings.tokens_file is not None or settings.jwks_file is not None


def _info(entry: Entry, is_default: bool) -> models_pb2.ModelInfo:
    info = models_pb2.ModelInfo(
        model=common_pb2.ModelRef(name=entry.name, version=entry.version),
        state=_state(entry),
        problem=entry.problem,
        is_default=is_default,
        execution_provider=entry.loaded.engine.provider if entry.loaded else "",
    )
    if manifest := entry.manifest:
        info.task, info.architecture, info.precision = manifest.task, manifest.architecture, manifest.precision
        info.sha256 = manifest.sha256
        info.labels.extend(manifest.labels)
        info.input_size.width, info.input_size.height = manifest.input.width or 0, manifest.input.height or 0
        for m in manifest.metrics:
            low, high = m.interval or (None, None)
            info.metrics.add(
                name=m.name,
                value=m.value,
                dataset=m.dataset,
                split=m.split,
                command=m.command,
                interval_low=low,
                interval_high=high,
                condition=m.condition,
                n=m.n,
            )
    return info


def _state(entry: Entry) -> models_pb2.ModelState.ValueType:
    if entry.loaded is not None:
        return models_pb2.MODEL_STATE_READY
    return models_pb2.MODEL_STATE_REFUSED if entry.problem else models_pb2.MODEL_STATE_AVAILABLE
