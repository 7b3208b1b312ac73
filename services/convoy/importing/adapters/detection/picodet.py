"""Detectors of the PicoDet kind: NanoDet's outputs at four strides."""

from convoy.importing.adapters.adapter import PadAt, Resize
from convoy.importing.adapters.detection.distribution import Grid
from convoy.importing.adapters.detection.nanodet import Nanodet


class Picodet(Nanodet):
    """NanoDet's layout at strides 8, 16, 32 and 64; RGB normalised as for ImageNet, stretched.

    Exported without its own suppression (export.post_process=False). Source: PaddleDetection, ppdet/modeling/heads/
    pico_head.py; Yu et al., PP-PicoDet, 2021.
    """

    name = "picodet"
    layout = "for each stride 8, 16, 32, 64: scores [N, cells, C] and distributions of distances [N, cells, 4 x bins]"
    preprocess = "imagenet"
    resize: Resize = "stretch"
    stride = 64
    pad_value = 114
    pad_at: PadAt = "end"
    grid = Grid((8, 16, 32, 64), 0.5)
