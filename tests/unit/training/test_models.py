import torch
from convoy_training.models.unet import UNet
from convoy_training.models.whitened_resnet import WhitenedResNet
from convoy_training.models.yolo import STRIDES, Yolo


def test_the_classifier_whitens_and_classifies() -> None:
    torch.manual_seed(0)
    model = WhitenedResNet(10, (8, 16, 24), (1, 2, 1))
    correlated = torch.randn(64, 1, 32, 32) + 0.1 * torch.randn(64, 3, 32, 32)
    model.set_whitening(correlated)
    with torch.no_grad():
        model.whiten.bias.zero_()
        filtered = model.whiten(correlated)[:, :12].transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(filtered), torch.eye(12), atol=0.1, rtol=0)
    assert model(correlated).shape == (64, 10)
    assert not model.whiten.weight.requires_grad


def test_the_segmenter_gives_a_logit_for_every_pixel() -> None:
    model = UNet(11, (4, 8, 8, 8, 8), (1, 1, 2, 1)).eval()
    assert model.stride == 32
    assert model(torch.zeros(2, 3, 64, 96)).shape == (2, 11, 64, 96)


def test_the_detector_decodes_boxes_around_its_cells() -> None:
    model = Yolo(3, (8, 8, 8, 8, 8), (1, 1, 1, 1), 8).eval()
    logits, boxes, centres, strides = model(torch.zeros(2, 3, 64, 96))
    cells = sum((64 // s) * (96 // s) for s in STRIDES)
    assert logits.shape == (2, cells, 3) and boxes.shape == (2, cells, 4)
    assert centres[0].tolist() == [4, 4] and strides[0] == 8 and centres[-1].tolist() == [80, 48]
    assert (boxes[..., :2] <= centres).all() and (boxes[..., 2:] >= centres).all()
    assert (logits.sigmoid() < 0.1).all()  # an untrained detector sees nothing
