"""Embeddings of things: what lies before a classifier's last layer, and recall at k."""

from pathlib import Path

import numpy as np
import pytest
import torch
from convoy_training.errors import TrainingError
from convoy_training.metrics.retrieval import find_nearest, measure_recalls
from convoy_training.models.cifar_resnet import CifarResNet
from convoy_training.models.nin import NetworkInNetwork
from convoy_training.tasks import embedding
from sklearn.neighbors import NearestNeighbors
from torch import nn

ROOT = Path(__file__).parents[3]


def config(**fields: object) -> embedding.Config:
    base = {"name": "n", "task": "embedding", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1}}
    return embedding.Config.model_validate({**base, **fields})


def test_the_nearest_are_those_that_scikit_learn_finds() -> None:
    vectors = np.random.default_rng(0).normal(size=(1200, 16)).astype(np.float32)
    _, expected = NearestNeighbors(n_neighbors=6).fit(vectors).kneighbors(vectors)
    assert (find_nearest(vectors) == expected[:, 1:]).all()


def test_recall_counts_pictures_with_one_right_neighbour() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    nearest = np.array([[1, 2], [2, 0], [0, 1], [2, 0], [0, 1]])
    recalls = measure_recalls(nearest, labels, (1, 2))
    assert recalls[1][0] == pytest.approx(2 / 5) and recalls[2][0] == pytest.approx(3 / 5)
    assert recalls[1][1][0] < 2 / 5 < recalls[1][1][1]


@pytest.mark.parametrize("mirror_average", [False, True])
def test_an_embedding_is_what_the_last_layer_is_given(mirror_average: bool) -> None:
    torch.manual_seed(0)
    model = CifarResNet(8).eval()
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    seen: list[torch.Tensor] = []
    model.fc.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    chosen = config(mirror_average=mirror_average)
    with torch.no_grad():
        found = embedding.build_graph(model, chosen)(images)
        pixels = embedding.normalise(images, chosen)
        model(pixels)
        model(pixels.flip(3))
    features = (seen[-2] + seen[-1]) / 2 if mirror_average else seen[-2]
    expected = features / features.norm(dim=1, keepdim=True)
    assert torch.allclose(found, expected, atol=1e-5) and found.shape == (3, 64)
    assert isinstance(model.fc, nn.Linear)  # the classifier itself stays whole


def test_a_classifier_without_a_fully_connected_layer_is_refused() -> None:
    with pytest.raises(TrainingError, match="ends in no fully connected layer"):
        embedding.cut_head(NetworkInNetwork(10))
