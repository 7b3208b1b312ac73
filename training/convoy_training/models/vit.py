"""Vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929). Names and shapes are torchvision's.

The positions of another input than 224 pixels are learnt anew, or come from a file whose grid fits.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture

# Side of a patch, layers, heads, width, width of the perceptron (the paper's table 1).
SIZES = {"vit-b-16": (16, 12, 12, 768, 3072), "vit-b-32": (32, 12, 12, 768, 3072), "vit-l-16": (16, 24, 16, 1024, 4096)}


class Attention(nn.Module):
    """Self-attention of tokens [N,T,D], with the names of torch's MultiheadAttention, as plain matrices for ONNX."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        parts = functional.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention and a perceptron, each after a normalisation and around a shortcut."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = Attention(width, heads)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width), nn.Dropout(dropout)
        )
        for place in (0, 3):
            layer: Any = self.mlp[place]
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.self_attention(self.ln_1(x)))
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Adds their places to the tokens [N,T,D], then all layers."""

    def __init__(self, tokens: int, layers: int, heads: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        named = ((f"encoder_layer_{i}", Layer(width, heads, hidden, dropout)) for i in range(layers))
        self.layers = nn.Sequential(OrderedDict(named))
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(x + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """float [N,3,S,S] -> logits [N,classes]; S is `size` pixels, a multiple of the patch."""

    def __init__(
        self, patch: int, layers: int, heads: int, width: int, hidden: int, size: int = 224, classes: int = 1000,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = Encoder((size // patch) ** 2 + 1, layers, heads, width, hidden, dropout)
        head = nn.Linear(width, classes)
        self.heads = nn.Sequential(OrderedDict(head=head))
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch**2)))
        nn.init.zeros_(self.conv_proj.bias)  # type: ignore[arg-type]
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % self.conv_proj.stride[0]:
            raise RuntimeError(f"{x.shape[2]} pixels are not a multiple of the patch")
        tokens = self.conv_proj(x).flatten(2).transpose(1, 2)
        first = self.class_token.expand(x.shape[0], -1, -1)  # not len(x), which export would keep as a number
        return self.heads(self.encoder(torch.cat([first, tokens], 1))[:, 0])


class _Sized:
    """Builds a transformer of one size, for the input of a recipe."""

    def __init__(self, name: str) -> None:
        self.name, self.__qualname__, self.__module__ = name, f"VisionTransformer.{name}", VisionTransformer.__module__

    def __call__(self, classes: int = 1000, size: int = 224) -> VisionTransformer:
        return VisionTransformer(*SIZES[self.name], size=size, classes=classes)

    def build_sized(self, size: int) -> VisionTransformer:
        """The network for pictures of this size."""
        return self(2, size)

    def from_recipe(self, classes: int, config: Any, look: object) -> VisionTransformer:
        """The network for `input_size`; raises ValueError unless it is a multiple of the patch."""
        return self(classes, config.input_size)


for _name in SIZES:
    architecture(_name, task="classification", classes=1000, input=(224, 224))(_Sized(_name))
