"""The network over volumes, and its task on the first slices of ISBI 2012."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from convoy.core.manifest import VolumeSpec
from convoy.segmentation.volume import Blocks, interpret_block, prepare
from convoy_training.errors import LabelError
from convoy_training.models.measure import measure
from convoy_training.models.unet3d import UNet3d
from convoy_training.publishing.export import export_onnx
from convoy_training.runs.memory_format import put_channels_last
from convoy_training.tasks import volume_segmentation
from PIL import Image

DATA = Path(os.environ.get("CONVOY_DATA", "../shared/data")) / "isbi2012_membrane_A.tar"


@pytest.fixture(scope="module")
def config() -> volume_segmentation.Config:
    return volume_segmentation.Config.model_validate(
        {
            "name": "n", "task": "volume_segmentation", "epochs": 1, "batch_size": 2, "optimizer": {"lr": 0.01},
            "data": {"path": str(DATA), "title": "ISBI 2012"}, "widths": [2, 4], "crop": [32, 48], "long_side": 64,
        }
    )  # fmt: skip


def test_no_answer_at_full_height_depends_on_far_slices() -> None:
    """Two 3x3x3 convolutions a level reach two slices to each side, and so do those of the next levels."""
    torch.manual_seed(0)
    model = UNet3d(2, (4, 8), channels=1).eval()
    volume = torch.randn(1, 1, 8, 16, 16)
    changed = volume.clone()
    changed[:, :, 7] += 1
    with torch.no_grad():
        differs = (model(volume) - model(changed)).abs().amax((0, 1, 3, 4)) > 0
    assert differs.tolist() == [False] * 5 + [True] * 3


def test_costs_count_volumes() -> None:
    cost = measure(lambda: UNet3d(2, (4, 8)), (5, 16, 16))
    assert cost.parameters == sum(one.numel() for one in UNet3d(2, (4, 8)).parameters())
    stem = cost.layers[0]
    assert (stem.kind, stem.multiply_adds) == ("convolution 1x3x3", 9 * 3 * 4 * 5 * 16 * 16)


def test_a_step_learns_and_the_graph_answers_in_blocks(config: volume_segmentation.Config, tmp_path: Path) -> None:
    batches = volume_segmentation.build_data(config).train
    torch.manual_seed(0)
    blocks, truth = next(iter(batches(0)))
    assert blocks.shape == truth.shape == (2, 5, 32, 48) and set(truth.unique().tolist()) <= {0, 1}
    model = put_channels_last(volume_segmentation.build_model(config))
    loss, parts = volume_segmentation.compute_loss(model, (blocks, truth), config)
    loss.backward()
    assert torch.isfinite(loss) and set(parts) == {"entropy", "dice"}
    graph = volume_segmentation.build_graph(model, config).eval()
    images = volume_segmentation.example_images(config)
    assert images.shape == (2, 64, 64, 5)
    told = volume_segmentation.describe(config)
    assert export_onnx(graph, images, told, tmp_path / "model.onnx") <= told.tolerance
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    [found] = session.run(["class_map"], {"images": images[:, :32, :48]})
    assert found.shape == (2, 5, 32, 48) and found.dtype == np.uint8


def test_evaluation_gives_the_service_a_volume(config: volume_segmentation.Config) -> None:
    """A graph that says `membrane` where a slice is dark is measured as the same threshold by hand is."""
    data = volume_segmentation.load_split(config, "validation")

    def dark(images: np.ndarray) -> dict[str, np.ndarray]:
        return {"class_map": (images < 100).transpose(0, 3, 1, 2).astype(np.uint8)}

    whole = config.model_copy(update={"long_side": 512})
    metrics = {one.name: one.value for one in volume_segmentation.evaluate(dark, whole, "validation")}
    right = [(one.photo.decode().image_rgb[..., 0] < 100) == one.read_mask() for one in data.examples]
    assert metrics["pixel_accuracy"] == pytest.approx(np.mean(right), abs=2e-3)
    manifest = volume_segmentation.describe(whole).preview()
    assert manifest.volume == VolumeSpec(slices=5, context=1) and manifest.labels == ["cell", "membrane"]
    pictures = [one.photo.decode() for one in data.examples]
    blocks = Blocks(manifest.volume, 9)
    [block] = [*(b for one in pictures for b in blocks.add(one)), *blocks.end()]
    pixels, where = prepare(list(block.slices), manifest)
    row = {"class_map": dark(pixels[None])["class_map"][0]}
    assert len(interpret_block(row, where, pictures[0], block.answered)) == 5


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([(48, 64)] * 5 + [(64, 48)] * 6, "image/05.png: the slice has 48x64 pixels, the first one 64x48"),
        ([(24, 64)] * 11, "image/00.png: the slices have 64x24 pixels, and `crop` cuts 48x32"),
        ([(48, 64)] * 8, "image/00.png: there are 3 training slices, and the network sees 5"),
    ],
)
def test_slices_that_make_no_volume_are_named(
    config: volume_segmentation.Config, tmp_path: Path, sizes: list[tuple[int, int]], words: str
) -> None:
    for folder in ("image", "mask"):
        (tmp_path / folder).mkdir()
        for number, size in enumerate(sizes):
            Image.fromarray(np.zeros(size, np.uint8)).save(tmp_path / folder / f"{number:02}.png")
    own = config.model_copy(update={"data": config.data.model_copy(update={"path": str(tmp_path)})})
    with pytest.raises(LabelError) as caught:
        volume_segmentation.load_split(own, "train")
    assert words in str(caught.value)
