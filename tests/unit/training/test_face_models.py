"""Face networks: the contract's shapes, unit length, and what the graph promises."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from convoy_training.models.face_detector import STRIDES, FaceDetector, FaceDetectorGraph, decode, locate_cells
from convoy_training.models.face_embedder import FaceEmbedder
from convoy_training.models.folding import FoldedEmbedder
from convoy_training.publishing.export import export_onnx
from convoy_training.publishing.quantize import quantize_graph
from convoy_training.session import open_onnx
from convoy_training.task import Export


def make_images(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    torch.manual_seed(0)
    return FaceEmbedder(dimension=32, crop_px=32, widths=(4, 8, 8, 16), depths=(1, 1, 1)).eval()


@torch.inference_mode()
def test_embeddings_have_unit_length(embedder: FaceEmbedder) -> None:
    vectors = embedder(torch.from_numpy(make_images(3, 112, 112)))
    assert vectors.shape == (3, 32)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


@torch.inference_mode()
def test_a_mirrored_face_has_the_same_embedding(embedder: FaceEmbedder) -> None:
    images = torch.from_numpy(make_images(2, 112, 112))
    torch.testing.assert_close(embedder(images), embedder(images.flip(2)), atol=1e-4, rtol=0)


@torch.inference_mode()
def test_without_mirror_the_side_matters(embedder: FaceEmbedder) -> None:
    images = torch.from_numpy(make_images(2, 112, 112))
    alone = FaceEmbedder(dimension=32, crop_px=32, widths=(4, 8, 8, 16), depths=(1, 1, 1), mirror=False).eval()
    alone.load_state_dict(embedder.state_dict())
    assert (alone(images) - alone(images.flip(2))).abs().max() > 1e-2


@pytest.mark.parametrize("mirror", [True, False])
@torch.inference_mode()
def test_folding_leaves_the_numbers(mirror: bool) -> None:
    torch.manual_seed(1)
    embedder = FaceEmbedder(dimension=32, crop_px=32, widths=(4, 8, 8, 16), depths=(1, 2, 1), mirror=mirror)
    for layer in embedder.modules():
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            for values in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                values.copy_(torch.rand_like(values) + 0.5)
        elif isinstance(layer, torch.nn.PReLU):
            layer.weight.uniform_(-1.2, 1.2)
    images = torch.from_numpy(make_images(3, 112, 112))
    folded = FoldedEmbedder(embedder.train())(images)
    assert embedder.training, "folding does not touch what it folds"
    torch.testing.assert_close(folded, embedder.eval()(images), atol=2e-6, rtol=0)
    assert (folded[0] - folded[1]).abs().max() > 1e-3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_int8_leaves_the_stem_and_the_activations_alone(tmp_path: Path, embedder: FaceEmbedder) -> None:
    images, export = make_images(8, 112, 112), Export(outputs=("embeddings",), manifest={})
    export_onnx(FoldedEmbedder(embedder), images, export, tmp_path / "model.onnx")
    quantize_graph(tmp_path / "model.onnx", images, tmp_path / "int8.onnx")
    exact, rough = (open_onnx(tmp_path / name)(images)["embeddings"] for name in ("model.onnx", "int8.onnx"))
    assert 0.99 < (exact * rough).sum(axis=1).min() < 1 - 1e-7
    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    kept = [node for node in graph.node if node.op_type == "Conv" and not node.input[1].endswith("_Output")]
    # The stem; two scalings in each of its four activations; one for the first norm of each of the three blocks.
    assert len(kept) == 1 + 2 * 4 + 3
    assert sum(node.op_type == "Conv" for node in graph.node) > len(kept)


def test_cells_cover_the_canvas_evenly() -> None:
    centres, strides = locate_cells([(96 // s, 160 // s) for s in STRIDES])
    assert len(centres) == 12 * 20 + 6 * 10 + 3 * 5
    for stride in STRIDES:
        mine = centres[strides[:, 0] == stride]
        np.testing.assert_allclose(mine.mean(dim=0), [80, 48])
        assert mine.min() == stride / 2


def test_decoding_is_in_strides_around_the_cell() -> None:
    raw = torch.zeros(1, 1, 15)
    raw[..., 1:5] = torch.tensor([1.0, 2.0, 3.0, 4.0]).log()
    raw[..., 5:7] = torch.tensor([-1.0, 0.5])
    boxes, _, landmarks = decode(raw, torch.tensor([[100.0, 60.0]]), torch.tensor([[16.0]]))
    torch.testing.assert_close(boxes[0, 0], torch.tensor([84.0, 28.0, 148.0, 124.0]))
    torch.testing.assert_close(landmarks[0, 0, 0], torch.tensor([84.0, 68.0]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_exported_detector_takes_any_multiple_of_32(tmp_path: Path) -> None:
    torch.manual_seed(0)
    detector = FaceDetector(widths=(4, 4, 8, 8, 8), neck=8).eval()
    export = Export(outputs=("boxes", "scores", "landmarks"), manifest={}, stride=32)
    export_onnx(FaceDetectorGraph(detector), make_images(2, 96, 64), export, tmp_path / "model.onnx")
    predict = open_onnx(tmp_path / "model.onnx")
    for height, width in ((64, 128), (160, 96)):
        outputs = predict(make_images(3, height, width))
        cells = sum((height // s) * (width // s) for s in STRIDES)
        shapes = {name: value.shape for name, value in outputs.items()}
        assert shapes == {"boxes": (3, cells, 4), "scores": (3, cells, 1), "landmarks": (3, cells, 5, 2)}
        assert (outputs["scores"] >= 0).all() and (outputs["scores"] <= 1).all()
        assert (outputs["boxes"][..., 2:] > outputs["boxes"][..., :2]).all()
