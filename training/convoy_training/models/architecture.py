"""Every architecture by name: `@architecture` registers a network where it is defined, and a recipe names it.

A new architecture is one file in this folder. What its class must offer depends on its task:

    signal_classification  forward: float [N,channels,samples], normalised -> logits [N,classes]
    volume_segmentation  forward: float [N,channels,slices,H,W] -> logits [N,classes,slices,H,W]
    classification   __init__(classes); forward: float RGB [N,3,H,W], normalised -> logits [N,classes]. It may return
                     a map of logits, and in training a tuple with those of several heads
    detection        a `Detector` (detector.py): its answers, and its loss if that differs from the default
    segmentation     a `Segmenter` (segmenter.py): logits [N,classes,H,W], and the stride of its input
    picture_to_picture  a `Restorer` (restorer.py): planes of planes, and how far its answer sees

A class may offer `from_recipe(classes, config, look)`, which reads its numbers from the fields of the recipe. It may
look at the training data: `look()` returns a classifier's normalised pictures, or the shapes of a detector's boxes.
Without `from_recipe` the network is built as registered. Tensors that `forward` creates must lie on the device of its
input (`device=x.device`).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import nn

from convoy_training import models
from convoy_training.errors import RecipeError

CHOICES: Mapping[str, Callable[[Any], Any]] = {
    "width": float,
    "depth": int,
    "dropout": float,
    "batch_norm": bool,
    "large_kernel": int,
}
"""The numbers of a network that a recipe may choose, and their types."""
Network = TypeVar("Network", bound=Callable[..., nn.Module])


@dataclass(frozen=True)
class Architecture:
    """A network as `convoy-train zoo` shows it: its task, its usual input (height, width) in pixels, its numbers.

    The input of signals is (samples,), that of volumes (slices, height, width).

    classes: its usual number of classes, None if it has no classes. pixels_last: it takes pictures [N,H,W,3] instead
    of [N,3,H,W].
    """

    name: str
    task: str
    network: Any
    input: tuple[int, ...]
    classes: int | None
    pixels_last: bool
    numbers: Mapping[str, Any]

    def build(self, classes: int | None = None, chosen: Mapping[str, Any] = MappingProxyType({})) -> nn.Module:
        """The network as registered, for its usual number of classes or for `classes`.

        chosen: numbers in the place of the registered ones.
        """
        named = {} if self.classes is None else {"classes": classes or self.classes}
        network: nn.Module = self.network(**named, **{**self.numbers, **self._cast(chosen)})
        return network

    def build_for(self, config: Any, classes: int, look: Callable[[], Any]) -> nn.Module:
        """The network of a recipe; `look` lets it look at the training data."""
        from_recipe = getattr(self.network, "from_recipe", None)
        if from_recipe:
            built: nn.Module = from_recipe(classes, config, look)
            return built
        # Recipes of some tasks choose numbers; those of others call their network's class `network`.
        chosen = getattr(config, "network", {})
        return self.build(classes, chosen if isinstance(chosen, Mapping) else {})

    def check_numbers(self, chosen: Mapping[str, Any]) -> None:
        """Raises ValueError for numbers that the network does not have, or with which it cannot be built."""
        for name in chosen:
            if name not in self.takes:
                takes = ", ".join(self.takes) or "none of them"
                raise ValueError(f"network.{name}: {self.name} has no such number; it takes {takes}")
        if chosen:
            with torch.device("meta"):
                try:
                    self.build(2, chosen)
                except (ValueError, KeyError, RuntimeError, ZeroDivisionError) as error:
                    raise ValueError(f"network: {self.name} cannot be built with these numbers: {error}") from None

    @property
    def takes(self) -> list[str]:
        """The numbers that a recipe may choose."""
        if hasattr(self.network, "from_recipe"):
            return []
        known = inspect.signature(self.network).parameters
        return [name for name in CHOICES if name in known]

    def _cast(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        return {name: CHOICES[name](value) for name, value in chosen.items()}


_KNOWN: dict[str, Architecture] = {}
_SPELLINGS: dict[str, str] = {}
"""From names without hyphens and underscores to registered names, so that vgg-16 and mobilenet_v2 are found too."""


def architecture(
    name: str, *, task: str, input: tuple[int, ...], classes: int | None = None, pixels_last: bool = False,
    also: Sequence[str] = (), **numbers: Any,
) -> Callable[[Network], Network]:  # fmt: skip
    """Registers a class, or a function that builds a network, under a name; the fields are those of `Architecture`.

    also: further names. numbers: arguments to build it with. Raises ValueError if another network has the name.
    """

    def register(network: Network) -> Network:
        known = _KNOWN.get(name)
        if known and known.network.__qualname__ != network.__qualname__:
            raise ValueError(f"two architectures are called {name}: {known.network} and {network}")
        _KNOWN[name] = Architecture(name, task, network, input, classes, pixels_last, numbers)
        _SPELLINGS.update({_simplify(spelling): name for spelling in (name, *also)})
        return network

    return register


def list_architectures(task: str = "") -> list[Architecture]:
    """All architectures, or those for a task, sorted by task and then by file."""
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"{models.__name__}.{module.name}")
    wanted = (each for each in _KNOWN.values() if task in ("", each.task))
    return sorted(wanted, key=lambda each: (each.task, each.network.__module__))


def find_architecture(name: str, task: str = "") -> Architecture:
    """The architecture with a name, whatever its hyphens; raises a RecipeError that lists the known ones."""
    known = {each.name: each for each in list_architectures(task)}
    name = _SPELLINGS.get(_simplify(name), name)
    if name not in known:
        asked = f"no architecture '{name}'" + f" for {task}" * bool(task)
        raise RecipeError(f"there is {asked}; there are {', '.join(known)}")
    return known[name]


def named_for(task: str) -> Callable[[str], str]:
    """Makes a validator for the field `architecture` of a task's recipes; it returns the registered name."""

    def check(name: str) -> str:
        try:
            return find_architecture(name, task).name
        except RecipeError as error:
            raise ValueError(str(error)) from None

    return check


def find_size(architecture: Any) -> int:
    """The side of pictures that an architecture was made for; 64 for those of CIFAR that take any size."""
    known = {each.name: each.input[0] for each in list_architectures("classification")}
    name = str(architecture or "whitened-resnet")
    return 64 if name.startswith(("whitened-resnet", "cifar-")) else known.get(name, 224)


def check_size(architecture: Architecture, side: int, chosen: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Raises RecipeError if pictures of this size shrink to nothing inside the network, or do not fit a layer."""
    with torch.device("meta"):
        sized = getattr(architecture.network, "build_sized", None)
        model = (sized(side) if sized else architecture.build(2, chosen)).eval()
        try:
            model(torch.empty(2, 3, side, side))
        except RuntimeError as error:
            usual = architecture.input[0]
            told = f"{architecture.name} cannot take pictures of {side} pixels; it was made for {usual}"
            raise RecipeError(f"input_size: {told}") from error


def _simplify(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()
