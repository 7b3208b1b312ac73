"""Whether galleries outgrow their embedder: judged whenever a call knows size and embedder, told in metrics and log."""

from collections.abc import Collection
from contextlib import suppress

import structlog
from prometheus_client import Gauge

from convoy.core.settings import Settings
from convoy.recognition.domain.face_source import FaceModel
from convoy.recognition.domain.growth import Fit, Limits, judge_size
from convoy.recognition.domain.records import Gallery

log = structlog.get_logger()
MISS_RATE = Gauge(
    "convoy_gallery_expected_miss_rate",
    "How often a search for somebody with one face in the gallery is expected not to name them.",
    ["gallery"],
)
OUTGROWN = Gauge(
    "convoy_gallery_outgrown_ratio", "Faces, divided by the number from which the gallery is outgrown.", ["gallery"]
)
TOLD = (Fit.NEARLY_OUTGROWN, Fit.OUTGROWN)
Judged = tuple[object, Limits]


class Growth:
    """Judges sizes, and remembers what it judged last of each gallery, so that a change is told once."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.false_positive_identification_rate
        self._limit = settings.miss_rate_limit
        self._judged: dict[str, Judged] = {}

    def judge(self, gallery: Gallery, model: FaceModel, faces: int) -> Limits:
        """What it means that the gallery holds `faces` faces of this embedder, by one face a picture."""
        policy = gallery.policy
        rate = policy.false_positive_identification_rate
        key = (gallery.born, faces, rate, policy.same_occasion, model)
        before = self._judged.get(gallery.name)
        if before is not None and before[0] == key:
            return before[1]
        limits = self._judge(gallery, model, faces, self._rate if rate is None else rate)
        self._judged[gallery.name] = key, limits
        self._tell(gallery, faces, before[1].fit if before else Fit.UNKNOWN, limits)
        return limits

    def unknown(self, gallery: Gallery, why: str) -> Limits:
        """What is said of a gallery whose embedder cannot be asked."""
        rate = gallery.policy.false_positive_identification_rate
        return Limits(Fit.UNKNOWN, self._rate if rate is None else rate, self._limit, unknown_because=why)

    def forget_all_but(self, names: Collection[str]) -> None:
        """Forget galleries that are no more."""
        for name in self._judged.keys() - names:
            del self._judged[name]
            _forget(name)

    def _judge(self, gallery: Gallery, model: FaceModel, faces: int, rate: float) -> Limits:
        strangers = model.same_photo if gallery.policy.same_occasion else model.curve
        if strangers is None:
            return self.unknown(gallery, f"{model.model.name}:{model.model.version} is not calibrated")
        if model.genuine is None:
            why = (
                f"the manifest of {model.model.name}:{model.model.version} does not say how similar photos of one "
                "person are; `convoy-train calibrate` measures it"
            )
            return self.unknown(gallery, why)
        return judge_size(strangers, model.genuine, faces, rate, self._limit)

    def _tell(self, gallery: Gallery, faces: int, before: Fit, limits: Limits) -> None:
        if limits.expected_miss_rate is None:
            _forget(gallery.name)
            return
        MISS_RATE.labels(gallery.name).set(limits.expected_miss_rate)
        OUTGROWN.labels(gallery.name).set(faces / limits.outgrown_at_faces if limits.outgrown_at_faces else 0.0)
        if limits.fit in TOLD and limits.fit is not before:
            log.warning(
                f"gallery is {limits.fit.value}",
                gallery=gallery.name,
                faces=faces,
                outgrown_at_faces=limits.outgrown_at_faces,
                expected_miss_rate=round(limits.expected_miss_rate, 3),
                miss_rate_limit=self._limit,
                embedder=f"{gallery.model.name}:{gallery.model.version}",
            )


def _forget(name: str) -> None:
    for gauge in (MISS_RATE, OUTGROWN):
        with suppress(KeyError):
            gauge.remove(name)
