"""A freshly initialised, small network of each family, as the graph that is published."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from convoy_training.classifier_graph import Graph as Classifier
from convoy_training.models.architecture import find_architecture
from convoy_training.models.convnext import ConvNeXt
from convoy_training.models.face_detector import FaceDetector, FaceDetectorGraph
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.models.folding import FoldedEmbedder
from convoy_training.models.style_network import StyleNetwork
from convoy_training.models.vit import VisionTransformer
from convoy_training.tasks import (
    classification,
    detection,
    localisation,
    picture_to_picture,
    segmentation,
    style_transfer,
)
from torch import nn

SHARED = {"name": "n", "task": "classification", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.1}}
RECIPE = classification.Config.model_validate(SHARED | {"mirror_average": True})
SMALL = {"widths": (8, 8, 8, 8, 8), "depths": (1, 1, 1, 1)}


class Fresh(NamedTuple):
    """Builds a graph of pictures uint8 [N,side,side,channels]; outputs: its names in their order."""

    build: Callable[[], nn.Module]
    side: int
    outputs: tuple[str, ...]
    channels: int = 3


def named(name: str, task: str = "", **numbers: Any) -> nn.Module:
    """A registered architecture with some numbers of its own."""
    architecture = find_architecture(name, task)
    return architecture.network(**{"classes": 3} | dict(architecture.numbers) | numbers)


def classifier(side: int, build: Callable[[], nn.Module]) -> Fresh:
    return Fresh(lambda: Classifier(build(), RECIPE), side, ("probabilities",))


def detector(name: str, side: int = 64, **numbers: Any) -> Fresh:
    further = {"yolo-masks": ("prototypes", "coefficients"), "yolo-points": ("points",)}
    return Fresh(lambda: detection.Graph(named(name, **numbers)), side, ("boxes", "scores", *further.get(name, ())))  # type: ignore[arg-type]


def two_stages(name: str, **numbers: Any) -> Fresh:
    """A detector whose first stage tells regions apart clearly, as a trained one does, and the second classes."""

    def build() -> nn.Module:
        model = named(name, sizes=(16, 32, 64), widths=(8, 8, 8, 8), hidden=16, proposals=8, **numbers)
        with torch.no_grad():
            model.proposer.objectness.weight *= 1000
            model.classify.weight *= 100
        return detection.Graph(model)  # type: ignore[arg-type]

    masks = ("masks",) if name == "mask-rcnn" else ()
    return Fresh(build, 128, ("boxes", "scores", *masks))


def segmenter(name: str, **numbers: Any) -> Fresh:
    return Fresh(lambda: segmentation.Graph(named(name, **numbers)), 64, ("class_map",))


def restorer(name: str, channels: int = 3, **numbers: Any) -> Fresh:
    def build() -> nn.Module:
        architecture = find_architecture(name)
        model = architecture.network(**dict(architecture.numbers) | {"width": 8, "depth": 4} | numbers)
        return picture_to_picture.Graph(model, 3, channels > 3)

    return Fresh(build, 64, ("pictures",), channels)


FRESH = {
    "lenet": classifier(32, lambda: named("lenet")),
    "cifar-resnet20": classifier(32, lambda: named("cifar-resnet20")),
    "whitened-resnet": classifier(32, lambda: named("whitened-resnet")),
    "alexnet": classifier(64, lambda: named("alexnet")),
    "vgg11": classifier(32, lambda: named("vgg11", batch_norm=True)),
    "googlenet": classifier(64, lambda: named("googlenet")),
    "resnet18": classifier(64, lambda: named("resnet18")),
    "mobilenet-v1": classifier(64, lambda: named("mobilenet-v1", width=0.25)),
    "mobilenet-v2": classifier(64, lambda: named("mobilenet-v2", width=0.35)),
    "efficientnet-b0": classifier(64, lambda: named("efficientnet-b0")),
    "convnext": classifier(64, lambda: ConvNeXt((8, 16, 24, 32), (1, 1, 2, 1), 0.0, classes=3)),
    "vit": classifier(32, lambda: VisionTransformer(16, 2, 2, 16, 32, size=32, classes=3)),
    "yolo": detector("yolo", **SMALL, head_width=8),
    "yolo-anchors": detector("yolo-anchors", **SMALL),
    "yolo-masks": detector("yolo-masks", **SMALL, head_width=8, prototypes=4),
    "yolo-resnet18": detector("yolo-resnet18"),
    "sliding-window": detector("sliding-window", 96, widths=(8, 8, 8), hidden=16, pyramid=(1.0, 0.5)),
    "yolo-points": detector("yolo-points", **SMALL, head_width=8, points=3),
    "faster-rcnn": two_stages("faster-rcnn"),
    "mask-rcnn": two_stages("mask-rcnn", mask_width=8),
    "localiser": Fresh(lambda: localisation.Graph(named("localiser")), 64, ("boxes", "scores")),
    "unet": segmenter("unet", widths=(4, 4, 8, 8, 8), depths=(1, 1, 1, 1)),
    "unet-original": segmenter("unet-original", widths=(4, 4, 8, 8, 8), padded=True),
    "unet-mobilenet-v2": segmenter("unet-mobilenet-v2"),
    "edsr": restorer("edsr"),
    "espcn": restorer("espcn"),
    "ffdnet": restorer("ffdnet"),
    "gated-inpainter": restorer("gated-inpainter", 4),
    "style-network": Fresh(lambda: style_transfer.Graph(StyleNetwork(8, 4, 2)), 64, ("pictures",), 5),
    "face-detector": Fresh(
        lambda: FaceDetectorGraph(FaceDetector((8, 8, 8, 8, 8), 8)), 64, ("boxes", "scores", "landmarks")
    ),
    "face-embedder": Fresh(
        lambda: FoldedEmbedder(FaceEmbedder(16, 32, (4, 8, 8, 8), (1, 1, 1)).eval()), 112, ("embeddings",)
    ),
}


def make(name: str) -> nn.Module:
    """The graph, with the same numbers at each call."""
    torch.manual_seed(0)
    return FRESH[name].build().eval()
