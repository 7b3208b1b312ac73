"""Weights that others published for an architecture of ours."""

from pathlib import Path

import pytest
import torch
from convoy_training.errors import TrainingError
from convoy_training.models.architecture import find_architecture
from convoy_training.publishing.convert import load_weights, read_weights
from torch import nn

FILE = Path("weights.pth")


def small(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 2, 1))


def test_tensors_are_loaded_by_their_names() -> None:
    network, other = small(), small()
    load_weights(network, dict(reversed(other.state_dict().items())), FILE)
    for name, value in other.state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


def test_or_in_their_order_if_the_names_are_others() -> None:
    network, other = small(), small()
    renamed = {f"_stem.{name}": value for name, value in other.state_dict().items() if "batches" not in name}
    load_weights(network, renamed, FILE)
    assert torch.equal(network.state_dict()["2.weight"], other.state_dict()["2.weight"])
    assert torch.equal(network.state_dict()["1.running_var"], other.state_dict()["1.running_var"])


def test_tensors_of_another_network_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"0\.weight \[5, 3, 3, 3\] is not the architecture's 0\.weight"):
        load_weights(small(), small(5).state_dict(), FILE)
    with pytest.raises(TrainingError, match="holds 2 tensors, but the architecture has 8"):
        load_weights(small(), nn.Conv2d(3, 4, 3).state_dict(), FILE)
    names = list(small().state_dict())
    swapped = {f"x.{name}": small().state_dict()[name] for name in names if "batches" not in name}
    swapped["x.1.weight"], swapped["x.1.bias"] = swapped["x.1.bias"], swapped["x.1.weight"]
    order = [name.replace("1.weight", "1.?").replace("1.bias", "1.weight").replace("1.?", "1.bias") for name in swapped]
    with pytest.raises(TrainingError, match=r"x\.1\.bias \[4\] is not the architecture's 1\.weight"):
        load_weights(small(), dict(zip(order, swapped.values(), strict=True)), FILE)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code ran",)


@pytest.mark.parametrize("content", [Evil(), [1, 2], {"a": 1}])
def test_a_file_with_anything_but_weights_is_refused(
    content: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(TrainingError, match="does not hold"):
        read_weights(tmp_path / "weights.pth")
    assert "code ran" not in capsys.readouterr().out


def test_efficientnet_lite_has_the_published_number_of_weights() -> None:
    """4,652,008, as timm lists tf_efficientnet_lite0."""
    network = find_architecture("efficientnet_lite0").build()
    assert sum(weight.numel() for weight in network.parameters()) == 4_652_008
    assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
