"""Learning from a teacher: its answers belong to the pixels that the student sees, and the student comes nearer."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from convoy.core.manifest import GRAPH_FILE, Task, load_manifest
from convoy.importing.inspection import inspect
from convoy.importing.model_import import import_model
from convoy.importing.request import Request
from convoy_training.augment import face as augment
from convoy_training.cli import app
from convoy_training.data import own_people
from convoy_training.errors import RecipeError
from convoy_training.lessons import FOLDER, Drawing, Lessons
from convoy_training.losses.margin import MarginSoftmax
from convoy_training.losses.teaching import Student, Teaching
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.recipe_file import load_recipe
from convoy_training.runs.loop import fit, read_metrics
from convoy_training.session import open_onnx
from convoy_training.structures import UNNAMED
from convoy_training.task import Predict
from convoy_training.teacher import Teacher, find_model, open_teacher
from torch.nn import functional as F
from typer.testing import CliRunner

from tests import foreign_models

CROPS = np.random.default_rng(0).integers(0, 256, (24, 140, 140, 3), np.uint8)
LABELS = np.repeat(np.arange(6), 4)
DRAWING = Drawing(seed=1, degradation=1.0, blend=0.5)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny embedder of 192 numbers, imported as a user imports one."""
    folder = tmp_path_factory.mktemp("teacher")
    file = foreign_models.embedder().save(folder / "master.onnx")
    request = Request(file, Task.FACE_EMBEDDING, "for study alone", models=folder / "models", name="master")
    return import_model(inspect(request)).folder


@pytest.fixture(scope="module")
def predict(teacher: Path) -> Predict:
    return open_onnx(teacher / GRAPH_FILE)


def make_lessons(predict: Predict, variants: int = 2, drawing: Drawing = DRAWING) -> Lessons:
    return Lessons(CROPS, LABELS, drawing, variants, predict, 8, ["test"])


def make_student(teacher: Teacher, margin: bool = False) -> Student:
    torch.manual_seed(0)
    embedder = FaceEmbedder(dimension=192, crop_px=32, widths=(8, 16), depths=(1,), dropout=0.0)
    return Student(embedder, MarginSoftmax(6, 192) if margin else None, teacher)


def test_the_answers_belong_to_the_pixels_that_the_student_sees(predict: Predict) -> None:
    lessons = make_lessons(predict)
    asked = 0
    for epoch in range(4):
        for make in lessons(epoch):
            images, _, answers = make()
            np.testing.assert_allclose(predict(images.numpy())["embeddings"], answers.numpy(), atol=1e-5)
            asked += 1
    assert asked == 12
    other = predict(DRAWING.draw(CROPS, 0, 1)[0][None])["embeddings"][0]
    assert (
        np.abs(lessons.open(0).answers.vectors[0] - other).max() > 1e-3
    )  # variants differ, or the check above says little


def test_a_student_gets_the_pixels_that_its_network_would_reduce_them_to(predict: Predict, tmp_path: Path) -> None:
    for size_px in (80, 112):
        lessons = Lessons(CROPS, LABELS, DRAWING, 2, predict, 8, ["test"], size_px)
        lessons.keep_in(tmp_path)
        images, _, answers = lessons.make(np.arange(24), 1)
        drawn = np.stack([DRAWING.draw(CROPS, row, 1)[0] for row in range(24)])
        np.testing.assert_allclose(predict(drawn)["embeddings"], answers.numpy(), atol=1e-5)
        planes = torch.from_numpy(drawn).permute(0, 3, 1, 2).float()
        reduced = F.interpolate(planes, size=(size_px, size_px), mode="bilinear", align_corners=False)
        assert (reduced.permute(0, 2, 3, 1) - images).abs().max() <= 1.01  # rounded by another rule


def test_a_variant_may_be_seen_several_epochs_in_a_row(predict: Predict) -> None:
    lessons = Lessons(CROPS, LABELS, DRAWING, 2, predict, 24, ["test"], repeat=2)
    seen = [np.sort(next(iter(lessons(epoch)))()[2].numpy(), axis=0) for epoch in range(5)]
    for epoch, variant in enumerate((0, 0, 1, 1, 0)):
        np.testing.assert_array_equal(seen[epoch], np.sort(lessons.open(variant).answers.vectors, axis=0))


def test_pixels_that_the_teacher_has_not_answered_are_refused(predict: Predict, tmp_path: Path) -> None:
    before = make_lessons(predict)
    before.keep_in(tmp_path)
    before.open(0)
    (file,) = tmp_path.rglob("*-0.npy")
    np.save(file, 255 - np.load(file))
    after = make_lessons(refuse_to_answer)
    after.keep_in(tmp_path)
    with pytest.raises(RecipeError, match=r"answers are to other pictures than are there now: remove .*-0\.npz"):
        after.make(np.arange(8), 0)


def test_answers_are_kept_by_what_they_depend_on(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = make_lessons(predict)
    said = early.open(0)  # before there is a run folder, as when a network starts from a published one
    early.keep_in(tmp_path)
    again = make_lessons(refuse_to_answer)
    again.keep_in(tmp_path)
    with monkeypatch.context() as no_drawing:
        no_drawing.setattr(augment, "jitter_crop", refuse_to_answer)
        np.testing.assert_array_equal(again.open(0).answers.vectors, said.answers.vectors)
        np.testing.assert_array_equal(again.open(0).pixels, said.pixels)
    for drawing in (Drawing(2, 1.0, 0.5), Drawing(1, 0.5, 0.5), Drawing(1, 1.0, 0.4)):
        other = make_lessons(refuse_to_answer, drawing=drawing)
        other.keep_in(tmp_path)
        with pytest.raises(AssertionError, match="asked"):
            other.open(0)
    for kind in ("*.npz", "*.npy"):
        file = next(tmp_path.rglob(kind))
        file.write_bytes(file.read_bytes()[:100])
        repaired = make_lessons(predict)
        repaired.keep_in(tmp_path)
        np.testing.assert_array_equal(repaired.open(0).answers.vectors, said.answers.vectors)


def refuse_to_answer(images: np.ndarray) -> dict[str, np.ndarray]:
    raise AssertionError("the teacher was asked")


def test_blended_faces_have_no_name(predict: Predict) -> None:
    images, labels, _ = make_lessons(predict).make(np.arange(24), 0)
    blended = np.array([DRAWING.draw(CROPS, row, 0)[1] for row in range(24)])
    assert 4 < blended.sum() < 20
    assert (labels.numpy()[blended] == UNNAMED).all() and (labels.numpy()[~blended] == LABELS[~blended]).all()
    _, plain, _ = make_lessons(predict, drawing=Drawing(1, 1.0, 0.0)).make(np.arange(24), 0)
    assert (plain.numpy() == LABELS).all() and images.dtype == torch.uint8


def test_the_loss_is_worked_out_by_hand() -> None:
    vectors, answers = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    loss, parts = Teaching(relations=20.0)(vectors, answers)
    # Cosines 1 and 0.8; the one similarity between the two is 0 in place of 0.6, and stands twice in four entries.
    assert parts["teacher_cosine"].item() == pytest.approx(0.9)
    assert parts["teacher_relations"].item() == pytest.approx(0.36 / 2)
    assert loss.item() == pytest.approx(0.1 + 20 * 0.18)


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_a_student_comes_nearer_to_its_teacher(predict: Predict, margin: float) -> None:
    lessons = make_lessons(predict, variants=3, drawing=Drawing(1, 1.0, blend=0.0))  # else a batch may have no name
    student = make_student(Teacher(model="master", relations=1.0, margin=margin), margin > 0)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    losses, cosines = [], []
    for epoch in range(20):
        for make in lessons(epoch):
            loss, parts = student(*make())
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            cosines.append(parts["teacher_cosine"].item())
            assert ("margin" in parts) == (margin > 0)
    assert np.mean(losses[-6:]) < 0.8 * np.mean(losses[:3])
    assert np.mean(cosines[-6:]) > np.mean(cosines[:3]) + 0.3


@pytest.fixture
def recipe_file(tmp_path: Path, teacher: Path) -> Path:
    """A recipe of a student over five people with four crops each, two further ones held out."""
    random = np.random.default_rng(0)
    for person in range(7):
        (tmp_path / "people" / f"p{person}").mkdir(parents=True)
        face = random.integers(0, 256, (7, 7, 3), np.uint8)
        for number in range(5):
            picture = cv2.resize(face, (112, 112)) // 2 + random.integers(0, 64, (112, 112, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "people" / f"p{person}" / f"{number}.png"), picture)
    pairs = [(f"p{p}/{i}.png", f"p{q}/{j}.png", int(p == q)) for p in (0, 1) for q in (0, 1) for i in range(5)
             for j in range(5) if (p, i) != (q, j)]  # fmt: skip
    (tmp_path / "pairs.txt").write_text("\n".join(f"{a} {b} {same}" for a, b, same in pairs))
    fields = {
        "name": "student", "task": "face_embedding", "licence": "ours", "epochs": 3, "batch_size": 8,
        "optimizer": {"lr": 0.01}, "ema_decay": 0.9, "validate_every": 0,
        "architecture": {"dimension": 192, "crop_px": 32, "widths": [4, 8], "depths": [1]},
        "teacher": {"model": str(teacher), "variants": 2},
        "data": {"people": str(tmp_path / "people"), "pairs": str(tmp_path / "pairs.txt"), "title": "Staff"},
    }  # fmt: skip
    own_people.load_people.cache_clear()
    own_people.load_held_out.cache_clear()
    (tmp_path / "student.yaml").write_text(yaml.safe_dump(fields))
    return tmp_path / "student.yaml"


def test_a_resumed_student_is_the_unbroken_one(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, config = load_recipe(recipe_file)
    unbroken = fit(task, config, tmp_path / "unbroken")
    with monkeypatch.context() as broken:
        broken.setattr(Lessons, "__call__", stop_in_the_third_epoch(Lessons.__call__))
        with pytest.raises(KeyboardInterrupt):
            fit(task, config, tmp_path / "broken")
    monkeypatch.setattr(Lessons, "_ask", refuse_to_answer)
    resumed = fit(task, config, tmp_path / "broken", resume=True)
    for (name, expected), actual in zip(unbroken.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(expected, actual), name


def stop_in_the_third_epoch(draw):  # type: ignore[no-untyped-def]
    def stop(lessons, epoch):  # type: ignore[no-untyped-def]
        if epoch == 2:
            raise KeyboardInterrupt
        return draw(lessons, epoch)

    return stop


def test_from_the_recipe_to_the_card_and_on_from_there(
    recipe_file: Path, tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Card and manifest say who taught; what starts from the published student finds the answers in its own run."""
    run, models = tmp_path / "run", tmp_path / "models"
    for words in (["fit", str(recipe_file), "--run", str(run)], ["export", str(run), "--models", str(models)]):
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    folder = models / "student" / "1"
    terms = load_manifest(folder).training.data_terms
    assert terms.startswith("ours. Taught by master/1 (SHA-256 ")
    assert load_manifest(teacher).sha256 in terms and "for study alone" in terms and "may include held-out" in terms
    assert terms in (folder / "README.md").read_text()
    again = tmp_path / "again"
    shutil.copytree(run / FOLDER, again / FOLDER)
    monkeypatch.setattr(Lessons, "_ask", refuse_to_answer)
    task, config = load_recipe(recipe_file, [f"start_from={folder}"])
    fit(task, config, again)
    assert read_metrics(again)


def test_a_wrong_teacher_is_refused_in_a_sentence(recipe_file: Path, teacher: Path) -> None:
    def refuse(model: str, *overrides: str) -> str:
        task, config = load_recipe(recipe_file, [f"teacher.model={model}", *overrides])
        with pytest.raises(RecipeError) as caught:
            task.build_data(config)
        return str(caught.value)

    assert "there is no 'nobody': neither a folder with manifest.json nor a model in" in refuse("nobody")
    assert "does classification; a student of face_embedding needs a teacher of it" in refuse("cifar10-resnet")
    told = refuse(str(teacher), "architecture.dimension=64")
    assert "gives 192 numbers, not 64: set architecture.dimension to 192" in told


def test_a_damaged_teacher_is_refused(teacher: Path, tmp_path: Path) -> None:
    copy = tmp_path / "master" / "1"
    copy.mkdir(parents=True)
    for file in teacher.iterdir():
        (copy / file.name).write_bytes(file.read_bytes() + b" ")
    with pytest.raises(RecipeError, match=r"teacher\.model: model master/1: .* SHA-256"):
        open_teacher(Teacher(model=str(copy)), Task.FACE_EMBEDDING, 112, 192)


def test_fields_that_would_part_teacher_and_student_are_refused(recipe_file: Path) -> None:
    for override, told in (
        ("augment={mirror: 0.5}", "the teacher does not see"),
        ("triplets={margin: 0.2}", "teacher, triplets"),
        ("teacher.blend=1.5", "teacher.blend"),
        ("teacher.variants=0", "teacher.variants"),
    ):
        with pytest.raises(RecipeError, match=told):
            load_recipe(recipe_file, [override])


def test_a_teacher_is_found_by_folder_and_by_name(teacher: Path, root: Path) -> None:
    assert find_model(str(teacher)) == find_model(str(teacher.parent)) == teacher.resolve()
    assert find_model("face-embedder-small").parent.name == "face-embedder-small"
