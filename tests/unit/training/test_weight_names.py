"""`init` finds the layers in weights under the names and shapes that torchvision and timm publish."""

from pathlib import Path

import pytest
import torch
from convoy_training.models.architecture import find_architecture
from convoy_training.runs.transfer import adopt, find_new_parts
from convoy_training.runs.weights import rename, unwrap
from torch import Tensor

from tests.unit.training import published_names as names

# The architecture, the names, where the head begins, and some names beside ours.
PUBLISHED = {
    "convnext-tiny of torchvision": ("convnext-tiny", names.convnext_torchvision, "classifier.2.", {}),
    "convnext-tiny of timm": ("convnext-tiny", names.convnext_timm, "head.fc.", {
        "stages.2.blocks.8.mlp.fc2.bias": "features.5.8.block.5.bias", "stem.1.weight": "features.0.1.weight",
        "stages.3.downsample.0.bias": "features.6.0.bias", "head.norm.bias": "classifier.0.bias",
    }),
    "vit-b-16 of torchvision": ("vit-b-16", names.vit_torchvision, "heads.", {}),
    "vit-b-16 of timm": ("vit-b-16", names.vit_timm, "head.", {
        "blocks.11.norm2.bias": "encoder.layers.encoder_layer_11.ln_2.bias", "norm.weight": "encoder.ln.weight",
        "blocks.3.mlp.fc2.weight": "encoder.layers.encoder_layer_3.mlp.3.weight",
    }),
    "mobilenet-v2 of timm": ("mobilenet-v2", names.mobilenet_v2_timm, "classifier.", {
        "blocks.0.0.bn2.running_var": "features.1.conv.2.running_var", "bn1.bias": "features.0.1.bias",
        "blocks.1.0.conv_dw.weight": "features.2.conv.1.0.weight", "blocks.6.0.bn3.bias": "features.17.conv.3.bias",
        "bn2.weight": "features.18.1.weight",
    }),
    "efficientnet-b0 of timm": ("efficientnet-b0", names.efficientnet_b0_timm, "classifier.", {
        "blocks.0.0.se.conv_expand.bias": "features.1.0.block.1.fc2.bias", "bn2.bias": "features.8.1.bias",
        "blocks.1.0.se.conv_reduce.bias": "features.2.0.block.2.fc1.bias",
        "blocks.6.0.bn3.weight": "features.7.0.block.3.1.weight",
    }),
    "vgg16 of timm": ("vgg16", names.vgg16_timm, "head.", {
        "pre_logits.fc2.bias": "classifier.3.bias", "features.28.weight": "features.28.weight",
    }),
}  # fmt: skip


def build(published: str) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    """The network and the published weights, without numbers."""
    architecture, listed, *_ = PUBLISHED[published]
    with torch.device("meta"):
        return find_architecture(architecture).build(), {name: torch.empty(shape) for name, shape in listed()}


@pytest.mark.parametrize("published", PUBLISHED)
def test_published_names_and_shapes_are_those_of_our_layers(published: str) -> None:
    model, weights = build(published)
    found = rename(model, weights)
    assert {n: v.shape for n, v in found.items()} == {n: v.shape for n, v in model.state_dict().items()}
    for theirs, ours in PUBLISHED[published][3].items():
        assert found[ours] is weights[theirs]


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
@pytest.mark.parametrize("published", PUBLISHED)
def test_they_are_found_in_a_trainers_checkpoint_and_without_their_head(published: str) -> None:
    model, weights = build(published)
    head = PUBLISHED[published][2]
    backbone = {name: value for name, value in weights.items() if not name.startswith(head)}
    assert len(weights) - len(backbone) == 2
    found = rename(model, unwrap({"model": {f"module.{n}": v for n, v in backbone.items()}, "epoch": 3}))
    own = model.state_dict()
    *_, weight, bias = own
    assert {n: v.shape for n, v in found.items()} == {n: v.shape for n, v in own.items() if n not in (weight, bias)}
    (new,) = find_new_parts(model, found)
    assert weight.startswith(f"{new}.")
    adopt(model, found, Path("w.pth"), [new])


@pytest.mark.parametrize("published", ["mobilenet-v2 of timm"])
@pytest.mark.parametrize("architecture", ["yolo-mobilenet-v2", "unet-mobilenet-v2"])
def test_timms_weights_start_a_detector_and_a_segmenter(architecture: str, published: str) -> None:
    _, weights = build(published)
    with torch.device("meta"):
        model = find_architecture(architecture).build()
    found = rename(model, weights)
    inside = [name for name in model.state_dict() if name.startswith("backbone.")]
    assert len(inside) > 200 and set(inside) <= set(found)
