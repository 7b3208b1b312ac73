"""Every architecture by name: how to build it, and the input that it is described for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from convoy_training.errors import RecipeError
from convoy_training.models.alexnet import AlexNet
from convoy_training.models.cifar_resnet import CifarResNet
from convoy_training.models.efficientnet import SCALES, EfficientNet
from convoy_training.models.face_detector import FaceDetector
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.models.faster_rcnn import FasterRCNN
from convoy_training.models.googlenet import GoogLeNet
from convoy_training.models.landmark_head import LandmarkNet
from convoy_training.models.lenet import LeNet
from convoy_training.models.localiser import Localiser
from convoy_training.models.mobilenet_v1 import MobileNetV1
from convoy_training.models.mobilenet_v2 import MobileNetV2
from convoy_training.models.nin import NetworkInNetwork
from convoy_training.models.overfeat import OverFeat, WindowDetector
from convoy_training.models.resnet import BLOCKS, ResNet
from convoy_training.models.unet import UNet
from convoy_training.models.unet_original import OriginalUNet
from convoy_training.models.verification_head import PairVerifier, VerificationHead
from convoy_training.models.vgg import CONVOLUTIONS, VGG
from convoy_training.models.whitened_resnet import WhitenedResNet
from convoy_training.models.yolo import Yolo
from convoy_training.models.yolo_anchors import AnchorYolo

ANCHORS = [[10, 13], [16, 30], [33, 23], [30, 61], [62, 45], [59, 119], [116, 90], [156, 198], [373, 326]]
"""YOLOv3's, of COCO at 416 pixels; a recipe finds its own."""


@dataclass(frozen=True)
class Architecture:
    """A network: `build(classes=...)`, its usual number of classes, and its usual input (height, width) in pixels.

    pixels_last: it takes pictures as they are, [N,H,W,3], instead of [N,3,H,W]. classifies: it answers with logits
    [N,classes], or with a map of them.
    """

    name: str
    build: Callable[..., nn.Module]
    classes: int
    input: tuple[int, int]
    pixels_last: bool = False
    classifies: bool = False


def _classifier(name: str, build: Callable[..., nn.Module], size: int = 224, classes: int = 1000) -> Architecture:
    return Architecture(name, build, classes, (size, size), classifies=True)


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        _classifier("lenet", LeNet, 32, 10),
        _classifier("alexnet", AlexNet),
        *(_classifier(f"vgg{depth}", partial(VGG, depth)) for depth in CONVOLUTIONS),
        _classifier("nin", NetworkInNetwork, 32, 10),
        _classifier("googlenet", GoogLeNet),
        *(_classifier(f"resnet{depth}", partial(ResNet, depth)) for depth in BLOCKS),
        *(_classifier(f"cifar-resnet{d}", partial(CifarResNet, d), 32, 10) for d in (20, 32, 44, 56, 110)),
        _classifier("mobilenet-v1", MobileNetV1),
        _classifier("mobilenet-v2", MobileNetV2),
        *(_classifier(f"efficientnet-b{i}", partial(EfficientNet, i), SCALES[i][2]) for i in range(len(SCALES))),
        _classifier("whitened-resnet", partial(WhitenedResNet, widths=(32, 128, 256), refinements=(1, 2, 2)), 32, 10),
        Architecture("unet", partial(UNet, widths=(16, 32, 64, 96, 128), depths=(1, 1, 2, 2)), 11, (384, 480)),
        Architecture("unet-original", OriginalUNet, 2, (572, 572)),
        _classifier("overfeat", OverFeat, 231),
        Architecture(
            "sliding-window",
            partial(WindowDetector, widths=(12, 24, 48), hidden=64, pyramid=(2.0, 1.0, 0.5)),
            3,
            (320, 320),
        ),
        Architecture("localiser", Localiser, 3, (224, 224)),
        Architecture("faster-rcnn", FasterRCNN, 20, (608, 800)),
        Architecture(
            "yolo", partial(Yolo, widths=(12, 24, 48, 96, 160), depths=(1, 1, 2, 1), head_width=48), 3, (256, 320)
        ),
        Architecture(
            "yolo-anchors",
            partial(AnchorYolo, widths=(12, 24, 48, 96, 160), depths=(1, 1, 2, 1), anchors=ANCHORS),
            3,
            (256, 320),
        ),
        Architecture("face-detector", lambda classes: FaceDetector(), 1, (480, 640), pixels_last=True),
        Architecture("face-embedder", lambda classes: FaceEmbedder(), 1, (112, 112), pixels_last=True),
        Architecture(
            "face-verification",
            lambda classes: PairVerifier(FaceEmbedder(), VerificationHead(256)),
            1,
            (112, 224),
            pixels_last=True,
        ),
        Architecture("face-landmarks", lambda classes: LandmarkNet(), 1, (64, 64), pixels_last=True),
    )
}


SPELLINGS = {name.replace("-", ""): name for name in ARCHITECTURES} | {"lenet5": "lenet"}
"""Names without hyphens -> names: vgg-16 and mobilenet_v2 are found too."""


def find_architecture(name: str) -> Architecture:
    """Looks a name up, whatever its hyphens; an unknown one is an error that lists the known."""
    name = SPELLINGS.get(name.replace("-", "").replace("_", "").lower(), name)
    if name not in ARCHITECTURES:
        raise RecipeError(f"no architecture '{name}'; there are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]
