"""Several models as one, several crops as one answer."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from convoy_training.errors import RecipeError, TrainingError
from convoy_training.evaluation import Subject, average_crops, cut_crops, ensemble, open_subject
from convoy_training.task import Export, Predict


def subject(task: str, *labels: str, **answers: np.ndarray) -> Subject:
    predict: Predict = lambda images: answers  # noqa: E731
    module = SimpleNamespace(describe=lambda config: Export((), {"labels": list(labels)}))
    return Subject(Path(task), module, SimpleNamespace(task=task, name=task), predict)  # type: ignore[arg-type]


def ask(*subjects: Subject) -> dict[str, np.ndarray]:
    return ensemble(subjects).predict(np.zeros((1, 2, 2, 3), np.uint8))


def test_probabilities_are_averaged_and_embeddings_keep_length_one() -> None:
    pair = [subject("classification", "a", "b", probabilities=np.array([[p, 1 - p]])) for p in (0.9, 0.3)]
    np.testing.assert_allclose(ask(*pair)["probabilities"], [[0.6, 0.4]])
    pair = [subject("face_embedding", embeddings=np.array([v])) for v in ([1.0, 0.0], [0.0, 1.0])]
    np.testing.assert_allclose(ask(*pair)["embeddings"], [[0.5**0.5, 0.5**0.5]])


def test_pixels_are_put_to_the_vote() -> None:
    maps = [np.array([[[0, 1, 2]]], np.uint8), np.array([[[1, 1, 3]]], np.uint8), np.array([[[1, 0, 4]]], np.uint8)]
    assert ask(*(subject("segmentation", "a", class_map=m) for m in maps))["class_map"].tolist() == [[[1, 1, 2]]]


def test_boxes_lie_side_by_side() -> None:
    pair = [subject("detection", "a", boxes=np.zeros((1, n, 4)), scores=np.zeros((1, n, 1))) for n in (3, 5)]
    merged = ask(*pair)
    assert merged["boxes"].shape == (1, 8, 4) and merged["scores"].shape == (1, 8, 1)


def test_boxes_keep_their_landmarks() -> None:
    pair = [subject("face", "a", boxes=np.zeros((1, n, 4)), landmarks=np.zeros((1, n, 5, 2))) for n in (3, 5)]
    assert ask(*pair)["landmarks"].shape == (1, 8, 5, 2)


@pytest.mark.parametrize("name", ["pictures", "landmarks", "prototypes", "coefficients"])
def test_outputs_that_nothing_merges_are_refused(name: str) -> None:
    with pytest.raises(RecipeError, match=f"nothing merges its {name}"):
        ask(*(subject("one", "a", **{name: np.zeros((1, 4, 5, 5))}) for _ in range(2)))


def test_what_cannot_be_averaged_is_refused() -> None:
    one, other = subject("classification", "a", probabilities=np.ones((1, 1))), subject("classification", "b")
    with pytest.raises(RecipeError, match="their tasks or labels differ"):
        ensemble([one, other])
    with pytest.raises(RecipeError, match="crops are only for classifiers"):
        average_crops(subject("detection", "a"), 5)
    with pytest.raises(RecipeError, match="1, 5 or 10"):
        average_crops(one, 3)
    with pytest.raises(TrainingError, match="neither a run folder"):
        open_subject(Path("/nowhere"))


def test_ten_crops_are_five_and_their_mirror_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 3)).astype(np.uint8)
    cuts = cut_crops(images, 10)
    assert len(cuts) == 10 and all(cut.shape == images.shape for cut in cuts)
    np.testing.assert_array_equal(cuts[7], cuts[2][:, :, ::-1])
    # The four corners of the enlarged picture: 32 pixels, so neighbouring crops share 24 columns.
    np.testing.assert_array_equal(cuts[1][:, :, 4:], cuts[2][:, :, :-4])


def test_crops_are_averaged() -> None:
    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        share = images.mean((1, 2, 3)) / 255
        return {"probabilities": np.stack([share, 1 - share], 1)}

    base = subject("classification", "a", "b")
    images = np.random.default_rng(1).integers(0, 256, (3, 28, 28, 3)).astype(np.uint8)
    together = average_crops(Subject(base.target, base.task, base.config, predict), 5).predict(images)
    expected = np.mean([predict(cut)["probabilities"] for cut in cut_crops(images, 5)], axis=0)
    np.testing.assert_allclose(together["probabilities"], expected)
