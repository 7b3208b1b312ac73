"""Style transfer: what a picture costs, Gatys' optimisation, and a network that is trained, published and served."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from convoy.core.models.loaded_model import verify_model
from convoy.imaging.options import Options
from convoy.imaging.task import transform
from convoy_training.data.patterns import PATTERNS
from convoy_training.errors import RecipeError
from convoy_training.losses.style import StyleCost, Weights, gram, optimise
from convoy_training.models.style_network import StyleNetwork
from convoy_training.publishing.publication import publish_model
from convoy_training.recipe_file import resolve_recipe
from convoy_training.runs.loop import fit
from convoy_training.session import open_onnx
from torch import nn

from tests.unit.training.test_layouts import folder

WEIGHTS = Weights(1.0, {"0": 1.0}, 0.0)


def tiny_judge(weights: Weights = WEIGHTS) -> StyleCost:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 8, 3), nn.Linear(10**6, 1))
    return StyleCost(network, "2", weights, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_gram_matrices_are_mean_products_of_channels() -> None:
    features = torch.arange(12.0).reshape(1, 2, 2, 3)
    flat = features.reshape(2, 6)
    assert torch.allclose(gram(features)[0], flat @ flat.T / 12)


def test_what_a_picture_costs_by_hand() -> None:
    cost, planes = tiny_judge(Weights(2.0, {"0": 3.0}, 5.0)), torch.rand(1, 3, 8, 9)
    seen, style = cost.see(planes), cost.measure_style(torch.rand(1, 3, 7, 7))
    content = torch.zeros_like(seen["2"])
    by_hand = 2 * seen["2"].square().mean() + 3 * (gram(seen["0"]) - style["0"]).square().sum()
    rows, columns = planes[:, :, 1:] - planes[:, :, :-1], planes[..., 1:] - planes[..., :-1]
    by_hand = by_hand + 5 * (rows.square().mean() + columns.square().mean())
    assert float(cost(planes, content, style)) == pytest.approx(float(by_hand), rel=1e-5)
    assert not any(parameter.requires_grad for parameter in cost.parameters())


def test_the_optimisation_lowers_the_cost_and_gives_a_picture() -> None:
    cost, picture = tiny_judge(), torch.rand(1, 3, 12, 12)
    style, content = cost.measure_style(torch.rand(1, 3, 12, 12) ** 4), cost.see(picture)["2"]
    found = optimise(cost, picture, style, 20)
    before, after = (float(cost(one, content, style)) for one in (picture, found))
    assert after < 0.7 * before and float(found.min()) >= 0 and float(found.max()) <= 1


def test_an_answer_depends_on_the_overlap_alone_and_styles_mix() -> None:
    torch.manual_seed(0)
    network, planes = StyleNetwork(8, 6, 2).eval(), torch.rand(1, 3, 96, 96, requires_grad=True)
    weights = torch.tensor([0.25, 0.75])[None, :, None, None].expand(1, 2, 96, 96)
    network(planes, weights)[0, :, 48:52, 48:52].sum().backward()
    assert planes.grad is not None
    rows = torch.nonzero(planes.grad[0].abs().sum((0, 2))).flatten()
    assert int(rows.min()) >= 48 - 24 and int(rows.max()) < 48 + 4 + 24
    one, other = (torch.eye(2)[k][None, :, None, None].expand(1, 2, 96, 96) for k in range(2))
    answers = [network(planes, w).detach() for w in (one, other, weights)]
    assert not torch.allclose(answers[0], answers[1], atol=1e-3)
    assert not torch.allclose(answers[2], answers[0], atol=1e-3)
    assert torch.allclose(network(planes), answers[0])  # by default the first style


def test_patterns_are_pictures_and_the_same_every_time() -> None:
    for draw in PATTERNS.values():
        picture = draw()
        assert picture.shape == (256, 256, 3) and picture.dtype == np.uint8 and picture.std() > 20
        assert np.array_equal(picture, draw())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of pictures, and a run of a classifier of them."""
    root = folder(tmp_path_factory.mktemp("style") / "set", "train", "val")
    random = np.random.default_rng(0)
    for file in root.rglob("*.png"):
        cv2.imwrite(str(file), random.integers(0, 256, (40, 44, 3), dtype=np.uint8))
    fields = {
        "name": "judge",
        "task": "classification",
        "epochs": 1,
        "batch_size": 4,
        "optimizer": {"lr": 0.01},
        "architecture": "lenet",
        "input_size": 32,
        "data": {"format": "image_folder", "path": str(root), "title": "T"},
    }
    task, config = resolve_recipe(fields, "here")
    fit(task, config, root.parent / "judge")
    return root


def recipe(pictures: Path, **changed: Any) -> tuple[Any, Any]:
    judge = {"model": str(pictures.parent / "judge"), "content": "features.3", "style": {"features.0": 1.0}}
    fields = {"name": "styles", "task": "style_transfer", "epochs": 1, "batch_size": 4, "optimizer": {"lr": 0.01},
              "data": {"path": str(pictures), "title": "T", "split": {"val": 0.2}}, "crop": 32, "measured_px": 32,
              "styles": {"waves": "pattern:waves", "own": str(next(pictures.rglob("*.png")))}, "measured": 1,
              "gatys_steps": 3, "width": 4, "depth": 4, "long_side": 64, "judge": judge}  # fmt: skip
    return resolve_recipe(fields | changed, "here")


def test_a_network_is_trained_published_and_served(pictures: Path, tmp_path: Path) -> None:
    task, config = recipe(pictures)
    model = fit(task, config, tmp_path / "run")
    folder = publish_model(task, config, model, tmp_path / "models", run=tmp_path / "run")
    manifest = verify_model(folder)
    assert str(manifest.task) == "picture_to_picture" and manifest.labels == ["waves", "own"]
    assert [metric.name for metric in manifest.metrics] == ["cost_ratio", "cost_ratio_unpainted"]
    picture = cv2.imread(str(next(pictures.rglob("*.png"))))
    predict = open_onnx(folder / "model.onnx")
    one, other = (transform(predict, picture, manifest, Options(styles={name: 2})) for name in ("waves", "own"))
    assert one.shape == picture.shape and not np.array_equal(one, other)
    whole = manifest.model_copy(update={"input": manifest.input.model_copy(update={"long_side": 256})})
    large = cv2.resize(picture, (150, 130))
    tiled, at_once = (transform(predict, large, m, Options(styles={"waves": 1, "own": 1})) for m in (manifest, whole))
    assert np.abs(tiled.astype(int) - at_once).max() <= 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"styles": {"a": "pattern:rain"}}, "there is no pattern pattern:rain; there are waves"),
        ({"styles": {}}, "styles"),
        ({"crop": 30}, "multiples of 4"),
        ({"long_side": 32}, "no room between the overlaps"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(pictures: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe(pictures, **changed)


def test_a_judge_without_such_a_layer_names_those_that_it_has(pictures: Path) -> None:
    judge = {"model": str(pictures.parent / "judge"), "content": "nowhere", "style": {"features.0": 1.0}}
    task, config = recipe(pictures, judge=judge)
    with pytest.raises(RecipeError, match=r"has no layer 'nowhere'; it has .*features"):
        task.build_data(config)
    task, config = recipe(pictures, styles={"gone": "gone.jpg"})
    with pytest.raises(RecipeError, match=r"gone: gone\.jpg cannot be read: No such file"):
        task.build_data(config)
