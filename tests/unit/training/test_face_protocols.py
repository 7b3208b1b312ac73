"""The protocols for found faces, on finders and networks whose answers can be worked out by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from convoy.core.manifest import MANIFEST_FILE, Manifest, Task
from convoy.core.pictures.decoding import Pixels
from convoy.faces.judging import JudgedFace
from convoy.faces.quality import FaceQuality
from convoy.faces.task import DetectedFace, Options
from convoy.testing import pictures
from convoy.testing.tiny_models import write_model, write_repository
from convoy_training.augment.occluders import KINDS as OCCLUDERS
from convoy_training.cli import app
from convoy_training.data.presentations import list_presentations
from convoy_training.errors import LabelError, RecipeError
from convoy_training.metrics.share import measure_share
from convoy_training.protocols.enrolment import Desk, judge_enrolment
from convoy_training.protocols.face_photos import AS_USUAL, Models
from convoy_training.protocols.portraits import show, unmap_box, whole
from convoy_training.protocols.size import SHARES, judge_sizes
from typer.testing import CliRunner

GOOD = FaceQuality(0.9, 0.9, 0.9, 0.9, 0.9, 0.99)
UPRIGHT = np.array([[-10, -10], [10, -10], [0, 0], [-7, 10], [7, 10]], np.float32)


class WhiteFinder:
    """Takes white pixels for a face, whose embedding is the same at every size up to `most` of the picture's height."""

    def __init__(self, most: float = 1.0, score: float = 0.9, quality: FaceQuality = GOOD) -> None:
        self.most, self.score, self.quality = most, score, quality

    def find(
        self, image_rgb: Pixels, options: Options = AS_USUAL, classifiers: Sequence[Manifest] = ()
    ) -> list[JudgedFace]:
        rows, columns = np.nonzero(image_rgb.min(axis=2) > 200)
        if not len(rows):
            return []
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
        is_known = (box[3] - box[1]) / len(image_rgb) <= self.most
        vector = np.array([1, 0] if is_known else [0, 1], np.float32)
        landmarks = UPRIGHT + (box[:2] + box[2:]) / 2
        face = DetectedFace(box, landmarks, self.score)
        return [JudgedFace(face, np.zeros((112, 112, 3), np.uint8), self.quality, vector)]


def make_portrait() -> Pixels:
    portrait = np.full((160, 160, 3), 60, np.uint8)
    portrait[40:120, 50:110] = 255
    return portrait


def test_a_finder_of_every_size_is_right_at_every_size() -> None:
    outcome = judge_sizes(WhiteFinder(), [make_portrait()] * 3)  # type: ignore[arg-type]
    assert len(outcome.metrics) == 3 * len(SHARES)
    assert all(metric.value == 1 and metric.n == 3 for metric in outcome.metrics)


def test_a_face_that_is_somebody_else_above_half_the_frame_is_no_right_face() -> None:
    outcome = judge_sizes(WhiteFinder(most=0.55), [make_portrait()])  # type: ignore[arg-type]
    faces = [metric.value for metric in outcome.metrics if metric.name == "right_face"]
    assert faces == [float(share <= 0.55) for share in SHARES]
    assert all(metric.value == 1 for metric in outcome.metrics if metric.name == "right_box")
    assert len(outcome.sections[0].shots) == faces.count(0.0)


def test_a_portrait_without_a_face_is_wrong_everywhere() -> None:
    outcome = judge_sizes(WhiteFinder(), [np.zeros((160, 160, 3), np.uint8)])  # type: ignore[arg-type]
    assert {metric.value for metric in outcome.metrics} == {0.0}


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_portrait_is_shown_at_its_share(share: float) -> None:
    box = np.array([50, 40, 110, 120], np.float32)
    frame, matrix = show(make_portrait(), box, share)
    rows, columns = np.nonzero(frame[..., 0] > 160)
    assert rows.max() + 1 - rows.min() == pytest.approx(share * 1280, rel=0.02, abs=2)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(480, abs=1.5)
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
    assert unmap_box(found, matrix) == pytest.approx(box, abs=1.5)


def test_a_turned_portrait_is_turned_counterclockwise() -> None:
    portrait = make_portrait()
    portrait[:20] = (0, 0, 255)
    frame, _ = show(portrait, whole(portrait), 0.8, 90)
    blue = np.nonzero((frame[..., 2] > 200) & (frame[..., 0] < 50))
    assert blue[1].mean() < 480 - 200 and blue[0].mean() == pytest.approx(640, abs=10)


@pytest.mark.parametrize(
    ("finder", "reason"),
    [
        (WhiteFinder(), None),
        (WhiteFinder(score=0.5), "NOT_A_FACE"),
        (WhiteFinder(quality=replace(GOOD, likeness=0.1)), "NOT_A_FACE"),
        (WhiteFinder(quality=replace(GOOD, score=0.1, size=0.1)), "TOO_SMALL"),
    ],
)
def test_the_desk_accepts_what_register_accepts(finder: WhiteFinder, reason: str | None) -> None:
    refusal = Desk(finder).judge(make_portrait()).result.refusal  # type: ignore[arg-type]
    assert (refusal.value if refusal else None) == reason


def test_enrolment_counts_refused_portraits_and_accepted_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "convoy_training.protocols.enrolment"
    monkeypatch.setattr(f"{module}.read_portraits", lambda split, count: [make_portrait(), make_portrait() // 2])
    nothing, bright = np.zeros((160, 160, 3), np.uint8), np.full((160, 160, 3), 255, np.uint8)
    monkeypatch.setattr(f"{module}.load_faceless", lambda split, count: {"dark": [nothing] * 3, "bright": [bright]})
    outcome = judge_enrolment(WhiteFinder())  # type: ignore[arg-type]
    values = {(metric.name, metric.condition): (metric.value, metric.n) for metric in outcome.metrics}
    assert values["portraits_refused", "refused: 1 NO_FACE"] == (0.5, 2)
    assert values["non_faces_accepted", "all kinds"] == (0.25, 4)
    assert (values["non_faces_accepted", "dark"], values["non_faces_accepted", "bright"]) == ((0, 3), (1, 1))
    covered = {
        condition.partition(";")[0]: n for (name, condition), (_, n) in values.items() if name == "covered_accepted"
    }
    assert covered == dict.fromkeys(OCCLUDERS, 1)  # nothing is drawn where no face is found
    # It reads every face as an upright one.
    assert values["turned_accepted", "turned by 180 degrees"] == (0.5, 2)
    assert values["right_at_any_angle", "turned by 60 degrees"] == (0.5, 2)
    assert {shot.caption for shot in outcome.sections[0].shots} >= {"portraits: NO_FACE", "bright: accepted"}


def test_the_interval_of_a_share_holds_at_the_ends() -> None:
    assert measure_share([False] * 100) == (0.0, (0.0, pytest.approx(0.037, abs=1e-3)))
    assert measure_share([True, False])[0] == 0.5


def present(folder: Path, kind: str, count: int, tint: int) -> None:
    """Photos whose face has a colour; a printed or replayed look is what the tiny network takes for it, no more."""
    folder = folder / kind
    folder.mkdir(parents=True)
    for person in range(count):
        picture = pictures.portrait(person)
        others = [channel for channel in range(3) if channel != tint]
        picture[40:-40, 40:-40, others] //= 2
        (folder / f"{person}.png").write_bytes(pictures.encode(picture))


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Green is alive; red and blue are attacks."""
    folder = write_model(tmp_path, "spoof-net", Task.CLASSIFICATION)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    manifest |= {"labels": ["print", "live", "replay"], "input": manifest["input"] | {"face_crop": 0.7}}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    return folder


def test_liveness_counts_attacks_by_kind_and_people_as_iso_does(tmp_path: Path, network: Path) -> None:
    folder = tmp_path / "presentations"
    present(folder, "live", 12, tint=1)
    present(folder, "attack/print", 10, tint=0)
    present(folder, "attack/green-print", 4, tint=1)
    (folder / "attack/print/nobody.png").write_bytes(pictures.encode(pictures.plain()))
    (folder / "live/covered.png").write_bytes(pictures.encode(pictures.plain()))
    detector = write_repository(tmp_path / "models") / "face-detector-nano" / "1"
    options = ["--images", str(folder), "--detector", str(detector), "--json"]
    result = CliRunner().invoke(app, ["evaluate", str(network), "--protocol", "liveness", *options])
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)["models"][str(network)]["metrics"]
    values = {(metric["name"], metric["split"]): (metric["value"], metric["n"]) for metric in metrics}
    assert values["apcer", "print"] == (0, 10) and values["apcer", "green-print"] == (1, 4)
    assert values["apcer_worst", "green-print"] == (1, 4)
    assert values["bpcer", "live"] == (0, 12)
    assert values["apnrr", "print"] == (pytest.approx(1 / 11), 11)
    assert values["bpnrr", "live"] == (pytest.approx(1 / 13), 13)
    # Four presentations of a kind cannot show an APCER of a tenth.
    assert not any(name.startswith("bpcer_") for name, _ in values)


def test_liveness_needs_people_and_attacks_and_a_label(tmp_path: Path, network: Path) -> None:
    present(tmp_path / "one", "live", 1, tint=1)
    with pytest.raises(LabelError, match="attack/<kind>/"):
        list_presentations(tmp_path / "one")
    result = CliRunner().invoke(app, ["evaluate", str(network), "--protocol", "liveness"])
    assert isinstance(result.exception, RecipeError) and "--images" in str(result.exception)


def test_a_protocol_of_photos_takes_a_detector_or_an_embedder(tmp_path: Path, network: Path) -> None:
    models = write_repository(tmp_path / "models")
    detector, embedder = models / "face-detector-nano" / "1", next((models).glob("face-embedder*/1"))
    one, other = Path("detector"), Path("embedder")
    assert Models.choose(detector, one, other) == Models(detector, other)
    assert Models.choose(embedder, one, other) == Models(one, embedder)
    with pytest.raises(RecipeError, match="face detectors and face embedders"):
        Models.choose(network, one, other)
