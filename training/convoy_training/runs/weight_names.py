"""The names that other libraries give to the layers of torchvision's networks, which are ours.

timm (https://github.com/huggingface/pytorch-image-models) calls the layers of its ResNets as torchvision does. Those of
ConvNeXt, ViT, VGG, MobileNetV2 and EfficientNet have other names there, and some other shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor


def _substitute(rules: tuple[tuple[str, str], ...]) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    def way(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        named = {}
        for name, value in weights.items():
            for pattern, replacement in rules:
                name = re.sub(pattern, replacement, name)
            named[name] = value
        return named

    return way


def _timm_convnext(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """stages.1.blocks.0.conv_dw -> features.3.0.block.0, and so on; scales become [C,1,1]."""
    named = {}
    for name, value in weights.items():
        name = re.sub(r"^stages\.(\d+)\.blocks\.(\d+)\.", lambda m: f"features.{2 * int(m[1]) + 1}.{m[2]}.", name)
        name = re.sub(r"^stages\.(\d+)\.downsample\.", lambda m: f"features.{2 * int(m[1])}.", name)
        for old, new in _CONVNEXT:
            name = re.sub(old, new, name)
        named[name] = value[:, None, None] if name.endswith("layer_scale") and value.ndim == 1 else value
    return named


def _timm_vgg(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """pre_logits.fc1 -> classifier.0, and so on; timm's fully connected layers are convolutions."""
    named = {}
    for name, value in weights.items():
        new = re.sub(r"^head\.fc\.", "classifier.6.", name)
        new = re.sub(r"^pre_logits\.fc([12])\.", lambda m: f"classifier.{3 * int(m[1]) - 3}.", new)
        named[new] = value.flatten(1) if name.startswith("pre_logits") and value.ndim == 4 else value
    return named


def _timm_mobile(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """blocks.1.0.conv_dw -> features.2.conv.1.0 in MobileNetV2, features.2.0.block.1.0 in EfficientNet."""
    squeezed = any(".se." in name for name in weights)
    found = (re.match(r"blocks\.(\d+)\.(\d+)\.(\w+)", name) for name in weights)
    parts = {(int(m[1]), int(m[2]), m[3]) for m in found if m}
    blocks = sorted({part[:2] for part in parts})
    last = max((stage for stage, _ in blocks), default=-1) + 2 if squeezed else len(blocks) + 1
    named = {}
    for name, value in weights.items():
        if match := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)", name):
            stage, place = int(match[1]), int(match[2])
            widened = (stage, place, "conv_pwl") in parts  # blocks that do not widen have a layer less
            layer = _place_layer(match[3], widened, squeezed)
            inside = f"{stage + 1}.{place}.block" if squeezed else f"{blocks.index((stage, place)) + 1}.conv"
            name = f"features.{inside}.{layer}.{match[4]}"
        for old, new in (("conv_stem", "features.0.0"), ("bn1", "features.0.1"), ("conv_head", f"features.{last}.0"),
                         ("bn2", f"features.{last}.1"), ("classifier", "classifier.1")):  # fmt: skip
            name = re.sub(rf"^{old}\.(?=\w+$)", f"{new}.", name)
        named[name] = value
    return named


def _place_layer(layer: str, widened: bool, squeezed: bool) -> str:
    """Where torchvision's block holds a layer of timm's. squeezed: EfficientNet's, where the last layer is a pair."""
    if layer.startswith("se."):
        return f"{1 + widened}.{layer.removeprefix('se.').replace('conv_reduce', 'fc1').replace('conv_expand', 'fc2')}"
    order = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"] if widened else ["conv_dw", "bn1", "conv_pw", "bn2"]
    if layer not in order:
        return layer
    pair, second = divmod(order.index(layer), 2)
    if pair < len(order) // 2 - 1:
        return f"{pair}.{second}"
    return f"{pair + 1}.{second}" if squeezed else str(pair + second)


_CONVNEXT = (
    (r"^stem\.", "features.0."),
    (r"\.conv_dw\.", ".block.0."),
    (r"(features\.\d+\.\d+)\.norm\.", r"\1.block.2."),
    (r"\.mlp\.fc1\.", ".block.3."),
    (r"\.mlp\.fc2\.", ".block.5."),
    (r"\.gamma$", ".layer_scale"),
    (r"^head\.norm\.", "classifier.0."),
    (r"^head\.fc\.", "classifier.2."),
)
_VIT = (
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "encoder.pos_embedding"),
    (r"^patch_embed\.proj\.", "conv_proj."),
    (r"^blocks\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
    (r"\.norm(\d)\.", r".ln_\1."),
    (r"\.attn\.qkv\.(weight|bias)$", r".self_attention.in_proj_\1"),
    (r"\.attn\.proj\.", ".self_attention.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.3."),
    (r"\.mlp\.linear_1\.", ".mlp.0."),  # torchvision's first names
    (r"\.mlp\.linear_2\.", ".mlp.3."),
    (r"^norm\.", "encoder.ln."),
    (r"^head\.", "heads.head."),
)
WAYS = (_timm_convnext, _substitute(_VIT), _timm_vgg, _timm_mobile)
"""Each takes weights by timm's names, and gives them by torchvision's; what it does not know keeps its name."""
