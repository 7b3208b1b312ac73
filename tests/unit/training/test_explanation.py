"""Maps of networks whose answers can be worked out, and how maps are measured."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from convoy.testing.tiny_models import write_repository
from convoy_training.cli.app import app
from convoy_training.errors import TrainingError
from convoy_training.explanation import curves
from convoy_training.explanation.deconvolution import project, rebuild
from convoy_training.explanation.drawing import open_way
from convoy_training.explanation.maps import find_last_map, follow_gradient, grad_cam, occlude
from convoy_training.explanation.measuring import build_predict, measure_pointing
from convoy_training.explanation.mosaics import draw_mosaics, play
from convoy_training.explanation.network import Opened, open_classifier, shuffle_weights
from convoy_training.explanation.units import AT_ONCE, AT_ONCE_BYTES, MapLayer, find_best, list_layers, patch_of
from convoy_training.tasks import classification
from PIL import Image
from torch import nn
from typer.testing import CliRunner

CONFIG = SimpleNamespace(mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0), mirror_average=False, crops=1)


class Colours(nn.Module):
    """Red, green, blue: the mean of each channel, as logits of a convolution of one pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1, bias=False)
        self.layer.weight = nn.Parameter(20 * torch.eye(3)[..., None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x)).mean((2, 3))


def colours() -> Opened:
    return Opened(classification, CONFIG, ("red", "green", "blue"), Colours().eval())  # type: ignore[arg-type]


def quarters() -> tuple[np.ndarray, np.ndarray]:
    """Plain pictures of 8 x 8 of four classes: red, green, blue, grey."""
    colour = np.uint8([(220, 30, 30), (30, 220, 30), (30, 30, 220), (90, 90, 90)])
    return np.repeat(colour, 64, axis=0).reshape(4, 8, 8, 3), np.arange(4)


@pytest.mark.parametrize("method", ["occlusion", "grad-cam"])
def test_a_map_points_at_the_colour_that_is_asked_for(method: str) -> None:
    images, labels = quarters()
    opened = colours()
    explain = occlude(build_predict(opened)) if method == "occlusion" else grad_cam(opened)
    mosaics = [one for one in draw_mosaics(lambda row: images[row], labels, 60, 1) if one.index < 3]
    assert len(mosaics) > 30 and all(play(explain, mosaics))


def test_the_gradient_is_the_derivative() -> None:
    """Each pixel's red counts 20 / (H W) for red; relu lets it through where it is above 0."""
    heat = follow_gradient(colours())(np.full((4, 6, 3), 100, np.uint8), 0)
    np.testing.assert_allclose(heat, np.full((4, 6), 20 / 24), rtol=1e-6)


def test_grad_cam_is_the_weighted_map_by_hand() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :, 0], image[2:, :, 1] = 255, 255
    heat = grad_cam(colours())(image, 0)
    # The map of red is 20 in the upper half. Each place of this half counts a sixteenth, those below the ReLU nothing.
    np.testing.assert_allclose(heat, np.repeat([[20 / 32], [20 / 32], [0], [0]], 4, axis=1), rtol=1e-6)


def test_a_network_without_maps_says_so() -> None:
    with pytest.raises(TrainingError, match="occlusion"):
        find_last_map(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.zeros(1, 3, 2, 2))


def test_shuffled_weights_are_the_same_numbers_elsewhere() -> None:
    opened = colours()
    shuffled = shuffle_weights(opened, 3).model.layer.weight
    assert sorted(shuffled.flatten().tolist()) == sorted(opened.model.layer.weight.flatten().tolist())
    assert not torch.equal(shuffled, opened.model.layer.weight)


def test_curves_of_the_right_order_fall_and_rise_sooner() -> None:
    image = np.full((8, 8, 3), 30, np.uint8)
    image[:4] = (250, 30, 30)
    predict = build_predict(colours())
    best = np.zeros((8, 8), np.float32)
    best[:4] = 1
    right, wrong = (curves.trace(predict, image, 0, heat) for heat in (best, -best))
    assert right.deletion_area < wrong.deletion_area and right.insertion_area > wrong.insertion_area
    assert right.deletion[0] == right.insertion[-1] == pytest.approx(wrong.deletion[0])
    assert curves.area(np.array([1.0, 1.0, 1.0])) == 1 and curves.area(np.array([0.0, 1.0])) == 0.5


def test_a_map_of_another_size_than_its_picture_is_laid_over_it_and_few_frames_are_looked_at_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = np.full((8, 8, 3), 30, np.uint8)
    image[:4] = (250, 30, 30)
    whole, seen = build_predict(colours()), []

    def predict(frames: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(len(frames))
        return whole(frames)

    large, small = np.zeros((8, 8), np.float32), np.zeros((4, 4), np.float32)
    large[:4], small[:2] = 1, 1
    wanted = curves.trace(predict, image, 0, large)
    monkeypatch.setattr(curves, "AT_ONCE_PIXELS", 3 * 64)
    seen.clear()
    found = curves.trace(predict, image, 0, small)
    assert max(seen) == 3 and sum(seen) == 2 * (curves.STEPS + 1)
    np.testing.assert_allclose(found.deletion[[0, 8, 16]], wanted.deletion[[0, 8, 16]], atol=1e-6)
    np.testing.assert_allclose(found.insertion[[0, 8, 16]], wanted.insertion[[0, 8, 16]], atol=1e-6)


@pytest.mark.data
def test_the_published_network_points_at_what_is_asked_for_and_with_shuffled_weights_it_guesses(root: Path) -> None:
    """The short form of `convoy-train pointing exported_models/cifar10-resnet/1 --whole`, which has more mosaics."""
    opened = open_classifier(root / "exported_models" / "cifar10-resnet" / "1")
    trained, shuffled = measure_pointing(opened, ["grad-cam"], "validation", count=16, seed=1, shrink=False)
    # Of 16 guesses, 11 or more are right once in 5,000 times.
    assert trained.hits >= 12 and shuffled.hits < 11


@pytest.mark.data
def test_weights_in_smaller_numbers_are_told(root: Path) -> None:
    with pytest.raises(TrainingError, match="name a run"):
        open_classifier(root / "exported_models" / "cifar10-resnet-int8" / "1")


def test_only_classifiers_are_opened(root: Path) -> None:
    with pytest.raises(TrainingError, match="only classifiers"):
        open_classifier(root / "exported_models" / "camvid-unet" / "1")


@pytest.mark.data
def test_the_command_draws_a_map_and_replaces_nothing(root: Path, tmp_path: Path) -> None:
    photo, drawn = tmp_path / "photo.png", tmp_path / "out.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 40, 3), np.uint8)).save(photo)
    model = str(root / "exported_models" / "cifar10-resnet" / "1")
    words = ("explain", model, str(photo), "--label", "dog", "--draw", str(drawn))
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and done.stdout.startswith("dog 0."), done.output
    with Image.open(drawn) as picture:
        assert picture.size == (40, 50)
    again, unknown = CliRunner().invoke(app, words), CliRunner().invoke(app, [*words, "--force", "--label", "unicorn"])
    assert "is there already" in str(again.exception) and "no label 'unicorn'" in str(unknown.exception)


def test_a_graph_without_gradients_is_explained_by_occlusion(tmp_path: Path) -> None:
    """The tiny classifier's graph has no recipe and no weights: it answers the mean colour."""
    model = write_repository(tmp_path / "models") / "cifar10-resnet" / "1"
    photo, drawn = tmp_path / "photo.png", tmp_path / "out.png"
    picture = np.full((32, 32, 3), 90, np.uint8)
    picture[:8, :8] = (200, 60, 60)
    Image.fromarray(picture).save(photo)
    words = ["explain", str(model), str(photo), "--label", "red", "--draw", str(drawn)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and done.stdout.startswith("red 0."), done.output
    assert "by occlusion, since it has no gradients" in done.stderr
    reds = np.asarray(Image.open(drawn))[..., 0].astype(int) - picture[..., 0]
    assert reds[:8, :8].mean() > reds[16:, 16:].mean() + 20, "the corner is what speaks for red"
    assert CliRunner().invoke(app, [*words, "--force", "--method", "occlusion"]).stderr == ""
    asked = CliRunner().invoke(app, [*words, "--force", "--method", "grad-cam"])
    assert asked.exit_code != 0 and "recipe.yaml" in str(asked.exception)
    unknown = CliRunner().invoke(app, [*words[:-4], "--label", "unicorn", "--draw", str(tmp_path / "new.png")])
    assert "no label 'unicorn'" in str(unknown.exception)


def test_occlusion_needs_a_classifier(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does segmentation; only classifiers"):
        open_way(write_repository(tmp_path) / "camvid-unet" / "1", "occlusion")


class Tower(nn.Module):
    """A convolution of 3 x 3, its largest of 2 x 2 places, and another convolution: switches, filters and ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 3, padding=1, bias=False)
        self.second = nn.Conv2d(2, 2, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(nn.functional.max_pool2d(torch.relu(self.first(x)), 2)))


def test_the_projection_is_the_deconvolution_by_hand() -> None:
    """By torch's own transposed convolution and unpooling by switches, with a ReLU after each step back."""
    torch.manual_seed(4)
    model, pixels = Tower().eval(), torch.randn(3, 8, 8)
    with torch.no_grad():
        maps, switches = nn.functional.max_pool2d(torch.relu(model.first(pixels[None])), 2, return_indices=True)
        signal = torch.zeros(1, 2, 4, 4)
        signal[0, 1, 2, 3] = 1
        back = nn.functional.conv_transpose2d(signal, model.second.weight)
        back = torch.relu(nn.functional.max_unpool2d(back, switches, 2))
        wanted = nn.functional.conv_transpose2d(back, model.first.weight, padding=1)[0]
    found = project(model, "second", pixels, channel=1, row=2, column=3)
    assert maps.shape == (1, 2, 4, 4) and wanted.abs().max() > 0
    torch.testing.assert_close(found, wanted)


def test_the_best_picture_of_a_unit_and_its_patch() -> None:
    images = np.zeros((12, 8, 8, 3), np.uint8)
    images[7, 2, 5] = (255, 0, 0)
    best = find_best(colours().model, MapLayer("layer", 2, 1), images, [0], CONFIG)[0]
    assert (len(best), best[0].picture, best[0].row, best[0].column) == (9, 7, 2, 5)
    assert best[0].value == pytest.approx(20)
    assert patch_of(best[0], (8, 8), (8, 8), 3) == (slice(1, 4), slice(4, 7))


def test_layers_come_with_what_their_units_see() -> None:
    layers = list_layers(Tower().eval(), torch.zeros(1, 3, 8, 8))
    assert [(one.name, one.channels, one.receptive_field) for one in layers] == [("first", 2, 3), ("second", 2, 4)]


def test_of_large_pictures_fewer_are_looked_at_at_once() -> None:
    small, large = (list_layers(Tower().eval(), torch.zeros(1, 3, side, side)) for side in (8, 1024))
    assert [one.at_once for one in small] == [AT_ONCE, AT_ONCE]
    assert [one.largest_bytes for one in large] == [4 * 2 * 1024**2] * 2  # of the first layer, which the second needs
    assert large[1].at_once == AT_ONCE_BYTES // (8 * 1024**2) < AT_ONCE
    assert MapLayer("huge", 1, 1, 2 * AT_ONCE_BYTES).at_once == 1


def test_a_drawing_without_the_ending_of_a_picture_is_refused_before_the_work(tmp_path: Path) -> None:
    words = ("explain", str(tmp_path / "no-model"), "no-photo.png", "--draw", str(tmp_path / "out.txt"))
    assert "end its name with one of .png" in str(CliRunner().invoke(app, words).exception)


def test_what_a_layer_keeps_whole_is_rebuilt() -> None:
    pixels = torch.zeros(3, 8, 8)
    pixels[0, :4], pixels[1, 4:] = 1, 1
    rebuilt = rebuild(colours().model, "layer", pixels)
    assert (rebuilt - pixels).abs().mean() < 0.1
