"""Weights as people have them: in several kinds of file, under prefixes and other libraries' names, without a head."""

import re
from pathlib import Path

import pytest
import torch
from convoy_training.errors import CheckpointError, RecipeError
from convoy_training.models.architecture import find_architecture
from convoy_training.models.convnext import ConvNeXt
from convoy_training.models.mobilenet_v2 import MobileNetV2
from convoy_training.models.resnet import ResNet
from convoy_training.models.vit import Attention, VisionTransformer
from convoy_training.runs.catalogue_weights import describe_entry, find_entry
from convoy_training.runs.transfer import load_weights
from safetensors.torch import save_file
from torch import Tensor, nn

Weights = dict[str, Tensor]
SMALL_VIT = {"patch": 16, "layers": 2, "heads": 2, "width": 16, "hidden": 32, "size": 32}


def scrambled(model: nn.Module) -> Weights:
    """The model's state with numbers that no initialisation gives."""
    torch.manual_seed(3)
    return {n: torch.rand_like(v) if v.is_floating_point() else v for n, v in model.state_dict().items()}


def same(model: nn.Module, weights: Weights, but: str = "-") -> None:
    for name, value in model.state_dict().items():
        if not name.startswith(but) and not name.endswith("num_batches_tracked"):
            assert torch.equal(value, weights[name]), name


def wrap(kind: str, weights: Weights, file: Path) -> Path:
    prefixed = {
        "module": {f"module.{n}": v for n, v in weights.items()},
        "lightning": {"state_dict": {f"model.{n}": v for n, v in weights.items()}, "epoch": 3},
        "model": {"model": weights, "optimizer": {"step": torch.tensor(1)}},
        "both": {"model": {f"module.model.{n}": v for n, v in weights.items()}},
        "compiled": {f"_orig_mod.{n}": v for n, v in weights.items()},
        "beside": {**{f"encoder.{n}": v for n, v in weights.items()}, "decoder.weight": torch.ones(3)},
    }
    torch.save(prefixed.get(kind, weights), file)
    if kind == "safetensors":
        file = file.with_suffix(".safetensors")
        save_file(weights, file)
    return file


@pytest.mark.parametrize("kind", ["plain", "module", "lightning", "model", "both", "compiled", "beside", "safetensors"])
def test_a_file_is_read_however_it_is_wrapped(kind: str, tmp_path: Path) -> None:
    model = MobileNetV2(classes=3)
    weights = scrambled(model)
    load_weights(model, wrap(kind, weights, tmp_path / "w.pth"))
    same(model, weights)


def test_a_backbone_without_its_head_starts_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ResNet(18, classes=4)
    weights = {name: value for name, value in scrambled(model).items() if not name.startswith("fc.")}
    torch.save(weights, tmp_path / "w.pth")
    load_weights(model, tmp_path / "w.pth")
    same(model, weights, but="fc.")
    assert "w.pth holds no fc: these parts start anew" in capsys.readouterr().out
    del weights["layer4.1.conv2.weight"]
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"it has no layer4\.1\.conv2\.weight"):
        load_weights(ResNet(18, classes=4), tmp_path / "w.pth")


@pytest.mark.parametrize("task", ["detection", "segmentation"])
@pytest.mark.parametrize(("name", "build"), [("resnet18", lambda: ResNet(18, 7)), ("mobilenet-v2", MobileNetV2)])
def test_a_classifiers_weights_start_a_detector_and_a_segmenter(task: str, name: str, build, tmp_path: Path) -> None:
    classifier = build()
    weights = scrambled(classifier)
    torch.save(weights, tmp_path / "w.pth")
    prefix = {"detection": "yolo", "segmentation": "unet"}[task]
    model = find_architecture(f"{prefix}-{name}", task).build()
    load_weights(model, tmp_path / "w.pth")
    own = {n: v for n, v in model.backbone.state_dict().items() if not n.endswith("num_batches_tracked")}
    assert len(own) > 50
    for part, value in own.items():
        assert torch.equal(value, weights[part]), part


@pytest.mark.parametrize("depth", [18, 50])
def test_a_backbones_last_features_are_the_classifiers(depth: int) -> None:
    from convoy_training.models.backbones import ResNetBackbone

    classifier, backbone = ResNet(depth, 5).eval(), ResNetBackbone(depth).eval()
    backbone.load_state_dict(classifier.state_dict(), strict=False)
    pixels = torch.rand(1, 3, 64, 96)
    features = backbone(pixels)
    assert [tuple(f.shape[2:]) for f in features] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    assert tuple(f.shape[1] for f in features) == backbone.channels
    logits = classifier.fc(features[-1].mean((2, 3)))
    torch.testing.assert_close(logits, classifier(backbone.adjust(pixels)))


def to_timm_convnext(name: str) -> str:
    """torchvision's name -> timm's, from timm/models/convnext.py."""
    if match := re.fullmatch(r"features\.0\.(.*)", name):
        return f"stem.{match[1]}"
    if match := re.fullmatch(r"features\.(\d+)\.(\d+)\.(.*)", name):
        stage, place, rest = int(match[1]), match[2], match[3]
        if stage % 2 == 0:
            return f"stages.{stage // 2}.downsample.{place}.{rest}"
        parts = {"block.0": "conv_dw", "block.2": "norm", "block.3": "mlp.fc1", "block.5": "mlp.fc2"}
        for ours, theirs in parts.items():
            rest = rest.replace(ours, theirs)
        return f"stages.{stage // 2}.blocks.{place}.{rest.replace('layer_scale', 'gamma')}"
    return name.replace("classifier.0", "head.norm").replace("classifier.2", "head.fc")


def test_timms_convnext_is_ours(tmp_path: Path) -> None:
    model = ConvNeXt((4, 8, 12, 16), (1, 1, 2, 1), 0.0, classes=3)
    weights = scrambled(model)
    theirs = {to_timm_convnext(n): v.squeeze() if n.endswith("layer_scale") else v for n, v in weights.items()}
    assert "stages.2.blocks.1.gamma" in theirs and "stages.1.downsample.1.weight" in theirs
    torch.save({"model": theirs}, tmp_path / "w.pth")
    load_weights(model, tmp_path / "w.pth")
    same(model, weights)


def to_timm_vit(name: str) -> str:
    """torchvision's name -> timm's, from timm/models/vision_transformer.py."""
    name = name.replace("encoder.pos_embedding", "pos_embed").replace("class_token", "cls_token")
    name = name.replace("conv_proj", "patch_embed.proj").replace("heads.head", "head").replace("encoder.ln", "norm")
    name = name.replace("encoder.layers.encoder_layer_", "blocks.").replace("ln_1", "norm1").replace("ln_2", "norm2")
    name = name.replace("self_attention.in_proj_", "attn.qkv.").replace("self_attention.out_proj", "attn.proj")
    return name.replace("mlp.0", "mlp.fc1").replace("mlp.3", "mlp.fc2")


def test_timms_vit_is_ours_and_so_are_torchvisions_first_names(tmp_path: Path) -> None:
    model = VisionTransformer(**SMALL_VIT, classes=3)
    weights = scrambled(model)
    theirs = {to_timm_vit(name): value for name, value in weights.items()}
    assert {"blocks.1.attn.qkv.weight", "pos_embed", "cls_token", "head.bias"} <= theirs.keys()
    first = {n.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): v for n, v in weights.items()}
    for named in (theirs, first):
        fresh = VisionTransformer(**SMALL_VIT, classes=3)
        torch.save(named, tmp_path / "w.pth")
        load_weights(fresh, tmp_path / "w.pth")
        same(fresh, weights)


def test_attention_is_torchs_own() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(24, 3), nn.MultiheadAttention(24, 3, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 24)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


def test_a_layer_is_torchs_own() -> None:
    from convoy_training.models.vit import Layer

    torch.manual_seed(0)
    ours = Layer(24, 3, 48, 0.0).eval()
    theirs = nn.TransformerEncoderLayer(
        24, 3, 48, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    ).train()  # in training mode, since its fast path for evaluation computes otherwise
    state = {name.replace("self_attention", "self_attn"): value for name, value in ours.state_dict().items()}
    for old, new in (("ln_1", "norm1"), ("ln_2", "norm2"), ("mlp.0", "linear1"), ("mlp.3", "linear2")):
        state = {name.replace(old, new): value for name, value in state.items()}
    theirs.load_state_dict(state)
    x = torch.randn(2, 5, 24)
    torch.testing.assert_close(ours(x), theirs(x))


def test_other_names_in_the_same_order_are_the_same_layers(tmp_path: Path) -> None:
    model = MobileNetV2(classes=3)
    weights = scrambled(model)
    named = {f"block{i}.{name.rpartition('.')[2]}": value for i, (name, value) in enumerate(weights.items())}
    torch.save({n: v for n, v in named.items() if not n.endswith("num_batches_tracked")}, tmp_path / "w.pth")
    load_weights(model, tmp_path / "w.pth")
    same(model, weights)


def test_a_broken_safetensors_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"w\.safetensors cannot be read as safetensors"):
        load_weights(MobileNetV2(classes=3), tmp_path / "w.safetensors")


def test_the_catalogue_names_weights_by_digest_and_terms() -> None:
    for name in ("mobilenet-v2", "mobilenet-v2-torchvision"):
        told = describe_entry(find_entry(name))
        assert "b03531047ffacf1e" in told and "BSD-3-Clause" in told and "ImageNet" in told
    with pytest.raises(RecipeError, match=r"no weights called 'nonsense'; there are .*mobilenet-v2-torchvision"):
        find_entry("nonsense")
