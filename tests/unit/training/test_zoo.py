"""Parameter counts, multiply-adds and names are held to what the papers and torchvision publish."""

import json

import pytest
import torch
from convoy_training.cli import app
from convoy_training.errors import RecipeError
from convoy_training.models.alexnet_paper import AcrossChannels
from convoy_training.models.architecture import find_architecture, list_architectures
from convoy_training.models.cifar_resnet import CifarResNet
from convoy_training.models.googlenet import GoogLeNet
from convoy_training.models.measure import Cost, measure
from convoy_training.models.mobilenet_v2 import MobileNetV2
from convoy_training.models.resnet import ResNet
from convoy_training.models.vgg import VGG
from torch import nn
from typer.testing import CliRunner

PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "mobilenet-v2": 3_504_872,
    "convnext-tiny": 28_589_128,
    "convnext-small": 50_223_688,
    "convnext-base": 88_591_464,
    "vit-b-16": 86_567_656,
    "vit-b-32": 88_224_232,
    "vit-l-16": 304_326_632,
    "efficientnet-b0": 5_288_548,
    "efficientnet-b1": 7_794_184,
    "efficientnet-b2": 9_109_994,
    "efficientnet-b3": 12_233_232,
    "efficientnet-b4": 19_341_616,
    "efficientnet-b5": 30_389_784,
    "efficientnet-b6": 43_040_704,
    "efficientnet-b7": 66_347_960,
}
MILLIONS_OF_PARAMETERS = {
    "cifar-plain20": 0.27,
    "cifar-plain56": 0.85,
    "cifar-resnet20": 0.27,
    "cifar-resnet32": 0.46,
    "cifar-resnet44": 0.66,
    "cifar-resnet56": 0.85,
    "cifar-resnet110": 1.7,
    "mobilenet-v1": 4.2,
    "nin": 0.97,
    "overfeat": 145,
    "unet-original": 31.03,
}
MILLIONS_OF_MULTIPLY_ADDS = {
    "alexnet": 714,
    "vgg16": 15_470,
    "resnet18": 1_814,
    "resnet50": 4_089,
    "googlenet": 1_498,
    "mobilenet-v1": 569,
    "mobilenet-v2": 301,
    "efficientnet-b0": 386,
    "convnext-tiny": 4_456,
    "overfeat": 2_810,
}


def cost_of(name: str) -> Cost:
    architecture = find_architecture(name)
    return measure(architecture.build, architecture.input, pixels_last=architecture.pixels_last)


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_parameters_are_torchvisions(name: str, expected: int) -> None:
    assert cost_of(name).parameters == expected


@pytest.mark.parametrize(("name", "millions"), MILLIONS_OF_PARAMETERS.items())
def test_parameters_are_the_papers(name: str, millions: float) -> None:
    assert cost_of(name).parameters / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(("name", "millions"), MILLIONS_OF_MULTIPLY_ADDS.items())
def test_multiply_adds_are_the_published_ones(name: str, millions: float) -> None:
    assert cost_of(name).multiply_adds / 1e6 == pytest.approx(millions, rel=0.004)


def test_alexnet_has_the_papers_numbers() -> None:
    """Sixty million parameters; Caffe's reference network, which has the two towers too, counts 60,965,224."""
    cost = cost_of("alexnet-paper")
    assert cost.parameters == 60_965_224
    maps = [layer.output for layer in cost.layers if layer.parameters]
    # Figure 2 of the paper, both towers together.
    assert maps == [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13), (4096,), (4096,), (1000,)]
    assert cost.multiply_adds == 724_406_816  # as counted for Caffe's


def test_googlenet_with_branches_of_5x5_has_seven_million() -> None:
    paper = find_architecture("googlenet-paper")
    served = measure(lambda: paper.network(**{**paper.numbers, "auxiliary": False}), paper.input)
    assert served.parameters == 6_998_552  # Caffe's reference network
    assert served.multiply_adds / 1e6 == pytest.approx(1_500, rel=0.06)  # "1.5 billion", section 5
    assert sum(layer.kind == "convolution 5x5" for layer in served.layers) == 9


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_a_plain_net_costs_what_its_residual_net_does(depth: int) -> None:
    plain, residual = cost_of(f"cifar-plain{depth}"), cost_of(f"cifar-resnet{depth}")
    assert plain.parameters == residual.parameters and plain.multiply_adds == residual.multiply_adds


def test_a_plain_net_has_no_shortcuts() -> None:
    """Without its last convolutions a residual block passes its input on; a plain one nothing."""
    answers = []
    for name in ("cifar-resnet20", "cifar-plain20"):
        torch.manual_seed(0)
        model = find_architecture(name).build().eval()
        for block in model.blocks:
            nn.init.zeros_(block.conv2.weight)
        answers.append(model(torch.randn(1, 3, 32, 32)) - model.fc.bias)
    assert answers[0].abs().max() > 1e-3 and answers[1].abs().max() == 0


def test_neighbouring_channels_are_divided_by_as_pytorch_does() -> None:
    x = torch.randn(2, 7, 3, 3) * 30
    theirs = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(x)
    torch.testing.assert_close(AcrossChannels()(x), theirs)


def test_receptive_fields_are_the_published_ones() -> None:
    # Araujo et al. 2019, table 1: 195 and 212 pixels behind the last pooling; 315 for MobileNet v1.
    assert cost_of("alexnet").receptive_field == 195
    assert cost_of("vgg16").receptive_field == 212
    assert cost_of("mobilenet-v1").receptive_field == 315


@pytest.mark.parametrize(
    ("spelt", "name"), [("LeNet-5", "lenet"), ("vgg-16", "vgg16"), ("mobilenet_v2", "mobilenet-v2")]
)
def test_a_name_may_be_spelt_as_in_papers(spelt: str, name: str) -> None:
    assert find_architecture(spelt).name == name


def test_lenet_layer_by_layer() -> None:
    layers = [layer for layer in cost_of("lenet").layers if layer.parameters]
    assert [layer.parameters for layer in layers] == [456, 2_416, 48_120, 10_164, 850]
    assert [layer.output for layer in layers] == [(6, 28, 28), (16, 10, 10), (120,), (84,), (10,)]


def test_two_faces_cost_two_embeddings_and_a_weight_a_dimension() -> None:
    pair, one = cost_of("face-verification"), cost_of("face-embedder")
    assert pair.parameters == one.parameters + 256 + 1 and pair.multiply_adds == 2 * one.multiply_adds + 256
    assert cost_of("face-landmarks").parameters < 40_000


def multiply_adds(*layers: nn.Module, channels: int, size: int) -> list[int]:
    class Net(nn.Sequential):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image[:, :1].expand(-1, channels, -1, -1))

    return [layer.multiply_adds for layer in measure(lambda: Net(*layers), (size, size)).layers]


def test_a_bottleneck_is_ten_times_cheaper() -> None:
    (direct,) = multiply_adds(nn.Conv2d(192, 32, 5, padding=2), channels=192, size=28)
    through = multiply_adds(nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding=2), channels=192, size=28)
    assert round(direct / 1e6) == 120 and round(sum(through) / 1e6, 1) == 12.4


def test_a_separable_convolution_is_three_times_cheaper() -> None:
    (direct,) = multiply_adds(nn.Conv2d(3, 5, 3), channels=3, size=6)
    separable = multiply_adds(nn.Conv2d(3, 3, 3, groups=3), nn.Conv2d(3, 5, 1), channels=3, size=6)
    assert direct == 2_160 and separable == [432, 240]


@pytest.mark.parametrize(
    ("build", "keys"),
    [
        (lambda: VGG(11), ["features.0.weight", "features.18.bias", "classifier.6.weight"]),
        (lambda: VGG(13, batch_norm=True), ["features.1.running_mean", "classifier.3.bias"]),
        (lambda: ResNet(50), ["conv1.weight", "layer1.0.downsample.0.weight", "layer4.2.bn3.running_var", "fc.bias"]),
        (lambda: ResNet(18), ["layer2.0.downsample.1.num_batches_tracked", "layer4.1.conv2.weight"]),
        (GoogLeNet, ["conv1.conv.weight", "inception3a.branch2.1.bn.bias", "inception4e.branch4.1.conv.weight",
                     "aux1.fc2.bias", "aux2.conv.conv.weight", "fc.weight"]),
        (MobileNetV2, ["features.0.0.weight", "features.1.conv.2.running_mean", "features.2.conv.0.0.weight",
                       "features.17.conv.3.bias", "features.18.1.weight", "classifier.1.bias"]),
        (find_architecture("alexnet").build, ["features.0.weight", "features.10.bias", "classifier.1.weight",
                                          "classifier.6.bias"]),
        (find_architecture("efficientnet-b0").build, [
            "features.0.1.running_var", "features.1.0.block.1.fc2.bias", "features.1.0.block.2.0.weight",
            "features.2.0.block.0.0.weight", "features.2.0.block.3.1.bias", "classifier.1.weight"]),
    ],
)  # fmt: skip
def test_state_dicts_carry_torchvisions_names(build: object, keys: list[str]) -> None:
    with torch.device("meta"):
        names = set(build().state_dict())
    assert set(keys) <= names


@pytest.mark.parametrize("name", ["lenet", "nin", "cifar-resnet20", "whitened-resnet"])
def test_a_small_network_learns_its_shape(name: str) -> None:
    logits = find_architecture(name).build(classes=7).eval()(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 7)


def test_googlenet_has_three_voices_in_training_and_one_in_use() -> None:
    with torch.device("meta"):
        net, image = GoogLeNet(classes=5), torch.zeros(2, 3, 224, 224)
        assert [tuple(logits.shape) for logits in net.train()(image)] == [(2, 5)] * 3
        assert net.eval()(image).shape == (2, 5)


def test_the_command_speaks_to_scripts_and_people() -> None:
    rows = json.loads(CliRunner().invoke(app, ["zoo", "--json"]).stdout)
    assert {row["name"] for row in rows} == {architecture.name for architecture in list_architectures()}
    assert next(row for row in rows if row["name"] == "vgg16")["parameters"] == 138_357_544
    layers = json.loads(CliRunner().invoke(app, ["zoo", "lenet", "--json"]).stdout)["layers"]
    assert layers[0]["activation_bytes"] == 4 * 6 * 28 * 28 and layers[0]["receptive_field"] == 5
    shown = CliRunner().invoke(app, ["zoo"]).stdout
    assert "15,470,264,320" in shown and "efficientnet-b7" in shown and "…" not in shown
    assert "48,120" in CliRunner().invoke(app, ["zoo", "lenet"]).stdout
    result = CliRunner().invoke(app, ["zoo", "lenett"])
    assert isinstance(result.exception, RecipeError) and "lenet" in str(result.exception)


def test_a_residual_net_may_be_so_narrow_that_two_stages_are_alike() -> None:
    assert CifarResNet(20, width=0.05)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
