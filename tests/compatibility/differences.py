"""Two answers field by field: what was recorded, and what came now. Both are read with the protos of the record.

What may differ: sentences for people, moments at which something was made, ids of faces that a call makes, and numbers
by FLOAT and DOUBLE, since another processor adds in another order. Nothing else, unless the call sets it aside.
"""

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from PIL import Image

FLOAT = {"rel_tol": 1e-4, "abs_tol": 1e-4}
"""Scores, similarities, pixels."""
DOUBLE = {"rel_tol": 1e-2, "abs_tol": 1e-12}
"""Rates: a similarity that is off by FLOAT moves them by 0.3 percent."""
PICTURE = 2
"""Levels of a pixel, for encoders that lose some."""
SENTENCES = {
    "convoy.v1.Error.message",
    "convoy.v1.PhotoResult.message",
    "convoy.v1.ModelInfo.problem",
    "inference.ModelStreamInferResponse.error_message",
}
OUTCOME = "convoy.v1.AuditEvent.outcome"
"""A sentence too, in events that a call makes; those on record stay as they were written."""
STATE, PROVIDER = "convoy.v1.ModelInfo.state", "convoy.v1.ModelInfo.execution_provider"
READY, AVAILABLE = 2, 1
"""0.1.0 loaded every model at its start; since then a model that nobody asked for is only available."""
FACE_IDS = {"face_id", "other_face_id"}
TIME = "google.protobuf.Timestamp"
GIVEN_TIMES = {"expire_time"}
MORE_ALLOWED = {"convoy.v1.Error.metadata"}
GROWING = {"inference.ServerMetadataResponse.extensions"}
"""Lists that may have more values; those on record stay, in their order."""
FILLED = {f"inference.InferStatistics.{stage}" for stage in ("compute_input", "compute_output")}
"""0.1.0 left them empty."""


class FaceIds:
    """Ids that were recorded, to those that were made instead in the replay."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}

    def agree(self, recorded: str, now: str, may_be_new: bool) -> bool:
        """Whether the two name one face. may_be_new: the call makes faces."""
        known = self._now.setdefault(recorded, now) if may_be_new else self.now(recorded)
        return known == now and bool(now) == bool(recorded)

    def now(self, recorded: str) -> str:
        """The id in the replay."""
        return self._now.get(recorded, recorded)

    def translate(self, message: Message) -> None:
        """Put the ids of the replay into a recorded request."""
        for field, value in message.ListFields():
            if field.name in FACE_IDS:
                setattr(message, field.name, self.now(value))
            elif field.message_type and not _is_map(field):
                for each in _values(field, value):
                    self.translate(each)


class Comparison:
    """began_ms: when record and replay began. makes_faces: ids that are not known yet may differ."""

    def __init__(
        self, ids: FaceIds, began_ms: tuple[int, int], aside: Sequence[str] = (), makes_faces: bool = False
    ) -> None:
        self._ids = ids
        self._began_ms = began_ms
        self._aside = set(aside)
        self._makes_faces = makes_faces

    def differences(self, recorded: Message, now: Message, path: str = "") -> Iterator[str]:
        """A line for each difference."""
        for field in recorded.DESCRIPTOR.fields:
            place = f"{path}.{field.name}"
            if field.name in self._aside or (field.full_name in FILLED and not recorded.HasField(field.name)):
                continue
            if field.full_name == OUTCOME and self._is_anew(recorded.time):
                if bool(recorded.outcome) != bool(now.outcome):
                    yield f"{place}: {recorded.outcome}, now {now.outcome}"
                continue
            if field.has_presence and recorded.HasField(field.name) != now.HasField(field.name):
                yield f"{place}: {_shown(recorded, field)}, now {_shown(now, field)}"
            elif _is_map(field):
                yield from self._maps(field, getattr(recorded, field.name), getattr(now, field.name), place)
            elif not field.has_presence or recorded.HasField(field.name):
                yield from self._field(field, getattr(recorded, field.name), getattr(now, field.name), place)

    def _field(self, field: FieldDescriptor, recorded: Any, now: Any, place: str) -> Iterator[str]:
        befores, afters = _values(field, recorded), _values(field, now)
        if field.full_name in GROWING:
            afters = [value for value in afters if value in befores]
        if len(befores) != len(afters):
            yield f"{place}: {len(befores)} of them, now {len(afters)}"
        for i, (before, after) in enumerate(zip(befores, afters, strict=False)):
            each = f"{place}[{i}]" if field.is_repeated else place
            if field.message_type and field.message_type.full_name != TIME:
                yield from self.differences(before, after, each)
            elif not self._agree(field, before, after):
                yield f"{each}: {before!r:.200}, now {after!r:.200}"

    def _agree(self, field: FieldDescriptor, recorded: Any, now: Any) -> bool:
        if field.full_name in SENTENCES:
            return bool(recorded) == bool(now)
        if field.full_name == STATE and (recorded, now) == (READY, AVAILABLE):
            return True
        if field.full_name == PROVIDER and not now:
            return True  # Nothing runs it yet.
        if field.name in FACE_IDS:
            return self._ids.agree(recorded, now, self._makes_faces)
        if field.message_type:
            return self._times_agree(field, recorded, now)
        if field.type == FieldDescriptor.TYPE_FLOAT:
            return math.isclose(recorded, now, **FLOAT)
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return math.isclose(recorded, now, **DOUBLE)
        return bool(_bytes_agree(recorded, now) if isinstance(recorded, bytes) else recorded == now)

    def _times_agree(self, field: FieldDescriptor, recorded: Any, now: Any) -> bool:
        made_anew = field.name not in GIVEN_TIMES and self._is_anew(recorded)
        # An import of what was exported during the record keeps the times of then.
        return bool(recorded == now or (made_anew and now.ToMilliseconds() >= self._began_ms[1]))

    def _is_anew(self, recorded: Any) -> bool:
        return bool(recorded.ToMilliseconds() >= self._began_ms[0])

    def _maps(self, field: FieldDescriptor, recorded: Any, now: Any, place: str) -> Iterator[str]:
        kept = {key: value for key, value in now.items() if key in recorded or field.full_name not in MORE_ALLOWED}
        before, after = ({key: str(value) for key, value in one.items()} for one in (recorded, kept))
        if before != after:
            yield f"{place}: {before}, now {after}"


def _bytes_agree(recorded: bytes, now: bytes) -> bool:
    """Equal, or pictures of nearly equal pixels, or nearly equal numbers in little-endian float32."""
    if recorded == now:
        return True
    pictures = [_pixels(content) for content in (recorded, now)]
    if all(picture is not None for picture in pictures):
        before, after = pictures
        return bool(before.shape == after.shape and np.abs(before - after).max() <= PICTURE)
    if len(recorded) != len(now) or len(now) % 4:
        return False
    return np.allclose(np.frombuffer(now, "<f4"), np.frombuffer(recorded, "<f4"), rtol=1e-4, atol=1e-4)


def _pixels(content: bytes) -> Any:
    try:
        return np.asarray(Image.open(io.BytesIO(content)), np.int16)
    except OSError:
        return None


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _values(field: FieldDescriptor, value: Any) -> list[Any]:
    return list(value) if field.is_repeated else [value]


def _shown(message: Message, field: FieldDescriptor) -> str:
    return f"{getattr(message, field.name)!r:.100}" if message.HasField(field.name) else "not set"
