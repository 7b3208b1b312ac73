"""What a network costs, layer by layer: parameters, multiply-adds, activations, receptive field.

The network runs once on torch's meta device, without numbers, while every call of a layer is recorded. So the counts
are of the layers that really run. For a convolution of kernel k, c_in -> c_out channels, g groups, on H x W outputs:

    parameters     = k * k * (c_in / g) * c_out + c_out (bias)
    multiply-adds  = k * k * (c_in / g) * c_out * H * W
    receptive field: r_out = r_in + (k - 1) * dilation * jump_in,  jump_out = jump_in * stride

(Araujo et al. 2019, "Computing receptive fields of convolutional neural networks".) The receptive field counts the
convolutional path only: global pooling, squeeze-and-excitation and fully connected layers see the whole map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

BYTES = 4


@dataclass(frozen=True)
class Layer:
    """One layer: its kind, its output shape without the batch, and its cost. receptive_field: side in input pixels."""

    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: int

    @property
    def activation_bytes(self) -> int:
        """The float32 memory of the output for one image."""
        return BYTES * torch.Size(self.output).numel()


@dataclass(frozen=True)
class Cost:
    """A network's layers and totals."""

    layers: tuple[Layer, ...]
    parameters: int

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds for one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """The float32 memory of all layers' outputs for one image, which training keeps for the backward pass."""
        return sum(layer.activation_bytes for layer in self.layers)

    @property
    def receptive_field(self) -> int:
        """The largest receptive field of any layer, in input pixels."""
        return max(layer.receptive_field for layer in self.layers)


def measure(build: Callable[[], nn.Module], size: tuple[int, ...], *, pixels_last: bool = False) -> Cost:
    """Builds a network without allocating memory, and runs one float RGB image of `size` (height, width) through it.

    The image is [1,3,H,W], or [1,H,W,3] with `pixels_last`. A signal of three channels has the size (samples,), a
    volume (slices, height, width).
    """
    with torch.device("meta"):
        model = build().eval()
        image = torch.zeros(1, *size, 3) if pixels_last else torch.zeros(1, 3, *size)
    watch = Watch()
    with torch.no_grad(), watch:
        model(image)
    return Cost(tuple(watch.layers), sum(p.numel() for p in model.parameters()))


class Watch(TorchFunctionMode):
    """Sees every function that is called on tensors, and keeps the (receptive field, jump) of each tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.sight: dict[int, tuple[int, int]] = {}
        self.alive: list[Any] = []  # ids are only unique while the tensors live

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the function and, if it returns tensors, records what they see and what they cost."""
        result = func(*args, **(kwargs or {}))
        outputs = [t for t in (result if isinstance(result, tuple | list) else [result]) if isinstance(t, Tensor)]
        if outputs and (seen := [self.sight[id(t)] for t in _tensors(args) if id(t) in self.sight] or [(1, 1)]):
            field, jump = max(seen)
            name = getattr(func, "__name__", "")
            step = STEPS.get(name.removesuffix("_"))
            if step is not None:
                layer, field, jump = step(args, kwargs or {}, outputs[0], field, jump)
                self.layers += [layer] if layer else []
            self.alive += outputs
            self.sight |= {id(t): (field, jump) for t in outputs}
        return result


Step = tuple[Layer | None, int, int]


def _convolve(args: Any, kwargs: Any, output: Tensor, field: int, jump: int) -> Step:
    weight, bias = args[1], _argument(args, kwargs, 2, "bias", None)
    stride = _last(_argument(args, kwargs, 3, "stride", 1))
    dilation = _last(_argument(args, kwargs, 5, "dilation", 1))
    groups = _argument(args, kwargs, 6, "groups", 1)
    field += (weight.shape[-1] - 1) * dilation * jump
    kind = "depthwise" if groups > 1 and groups == args[0].shape[1] else "convolution"
    kind = f"{kind} {_sides(weight)}" + (f" /{stride}" if stride > 1 else "")
    return _layer(kind, output, weight, bias, weight[0].numel() * output[0].numel(), field), field, jump * stride


def _convolve_up(args: Any, kwargs: Any, output: Tensor, field: int, jump: int) -> Step:
    weight, bias = args[1], _argument(args, kwargs, 2, "bias", None)
    stride = _last(_argument(args, kwargs, 3, "stride", 1))
    work = weight.numel() * args[0][0, 0].numel()
    kind = f"transpose convolution {_sides(weight)} x{stride}"
    return _layer(kind, output, weight, bias, work, field), field, max(1, jump // stride)


def _connect(args: Any, kwargs: Any, output: Tensor, field: int, jump: int) -> Step:
    weight, bias = args[1], _argument(args, kwargs, 2, "bias", None)
    rows = output.numel() // output.shape[-1]  # a second stage runs on many regions at once
    return _layer("fully connected", output, weight, bias, rows * weight.numel(), field), field, jump


def _pool(args: Any, kwargs: Any, output: Tensor, field: int, jump: int) -> Step:
    kernel = _last(_argument(args, kwargs, 1, "kernel_size", 1))
    stride = _last(_argument(args, kwargs, 2, "stride", None) or kernel)
    field += (kernel - 1) * jump
    return _layer(f"pool {kernel}x{kernel} /{stride}", output, None, None, 0, field), field, jump * stride


def _enlarge(args: Any, kwargs: Any, output: Tensor, field: int, jump: int) -> Step:
    return None, field, max(1, jump * args[0].shape[2] // output.shape[2])


STEPS: dict[str, Callable[..., Step]] = {
    "conv1d": _convolve,
    "conv2d": _convolve,
    "conv3d": _convolve,
    "conv_transpose2d": _convolve_up,
    "conv_transpose3d": _convolve_up,
    "linear": _connect,
    "max_pool2d": _pool,
    "_max_pool2d": _pool,
    "avg_pool2d": _pool,
    "interpolate": _enlarge,
}


def _layer(kind: str, output: Tensor, weight: Tensor | None, bias: Tensor | None, work: int, field: int) -> Layer:
    parameters = (weight.numel() if weight is not None else 0) + (bias.numel() if bias is not None else 0)
    return Layer(kind, tuple(output.shape[1:]), parameters, work, field)


def _tensors(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        found += _tensors(value) if isinstance(value, tuple | list) else [value] if isinstance(value, Tensor) else []
    return found


def _argument(args: Any, kwargs: Any, position: int, name: str, default: Any) -> Any:
    return args[position] if len(args) > position else kwargs.get(name, default)


def _sides(weight: Tensor) -> str:
    return "x".join(map(str, weight.shape[2:]))


def _last(value: Any) -> int:
    """Along the rows: a convolution over volumes may take other steps from slice to slice."""
    return int(value[-1] if isinstance(value, tuple | list) else value)
