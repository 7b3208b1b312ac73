"""The names and shapes of the weights that torchvision and timm publish, written from the sources of their networks.

torchvision/models/convnext.py and vision_transformer.py; timm/models/convnext.py, vision_transformer.py, vgg.py,
mobilenetv3.py's and efficientnet.py's blocks in _efficientnet_blocks.py.
"""

from collections.abc import Iterator

Shape = tuple[int, ...]
Names = Iterator[tuple[str, Shape]]

CONVNEXT_TINY = (96, 192, 384, 768), (3, 3, 9, 3)
MOBILENET_V2 = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
EFFICIENTNET_B0 = (
    (1, 16, 1, 3),
    (6, 24, 2, 3),
    (6, 40, 2, 5),
    (6, 80, 3, 3),
    (6, 112, 3, 5),
    (6, 192, 4, 5),
    (6, 320, 1, 3),
)
VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


def layer(name: str, *shape: int) -> Names:
    """A weight of this shape, and a bias for each output."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def norm(name: str, channels: int) -> Names:
    """A batch normalisation."""
    yield from layer(name, channels)
    yield from ((f"{name}.{part}", (channels,)) for part in ("running_mean", "running_var"))
    yield f"{name}.num_batches_tracked", ()


def convnext_torchvision() -> Names:
    before = 3
    for stage, (width, depth) in enumerate(zip(*CONVNEXT_TINY, strict=True)):
        if stage:
            yield from (
                *layer(f"features.{2 * stage}.0", before),
                *layer(f"features.{2 * stage}.1", width, before, 2, 2),
            )
        else:
            yield from (*layer("features.0.0", width, 3, 4, 4), *layer("features.0.1", width))
        for place in range(depth):
            inside = f"features.{2 * stage + 1}.{place}"
            yield f"{inside}.layer_scale", (width, 1, 1)
            yield from (*layer(f"{inside}.block.0", width, 1, 7, 7), *layer(f"{inside}.block.2", width))
            yield from (*layer(f"{inside}.block.3", 4 * width, width), *layer(f"{inside}.block.5", width, 4 * width))
        before = width
    yield from (*layer("classifier.0", before), *layer("classifier.2", 1000, before))


def convnext_timm() -> Names:
    before = 3
    for stage, (width, depth) in enumerate(zip(*CONVNEXT_TINY, strict=True)):
        down = f"stages.{stage}.downsample"
        if stage:
            yield from (*layer(f"{down}.0", before), *layer(f"{down}.1", width, before, 2, 2))
        else:
            yield from (*layer("stem.0", width, 3, 4, 4), *layer("stem.1", width))
        for place in range(depth):
            inside = f"stages.{stage}.blocks.{place}"
            yield f"{inside}.gamma", (width,)
            yield from (*layer(f"{inside}.conv_dw", width, 1, 7, 7), *layer(f"{inside}.norm", width))
            yield from (*layer(f"{inside}.mlp.fc1", 4 * width, width), *layer(f"{inside}.mlp.fc2", width, 4 * width))
        before = width
    yield from (*layer("head.norm", before), *layer("head.fc", 1000, before))


def vit_torchvision() -> Names:
    yield "class_token", (1, 1, 768)
    yield from layer("conv_proj", 768, 3, 16, 16)
    yield "encoder.pos_embedding", (1, 197, 768)
    for place in range(12):
        inside = f"encoder.layers.encoder_layer_{place}"
        yield from (*layer(f"{inside}.ln_1", 768), *layer(f"{inside}.ln_2", 768))
        yield f"{inside}.self_attention.in_proj_weight", (2304, 768)
        yield f"{inside}.self_attention.in_proj_bias", (2304,)
        yield from layer(f"{inside}.self_attention.out_proj", 768, 768)
        yield from (*layer(f"{inside}.mlp.0", 3072, 768), *layer(f"{inside}.mlp.3", 768, 3072))
    yield from (*layer("encoder.ln", 768), *layer("heads.head", 1000, 768))


def vit_timm() -> Names:
    yield "cls_token", (1, 1, 768)
    yield "pos_embed", (1, 197, 768)
    yield from layer("patch_embed.proj", 768, 3, 16, 16)
    for place in range(12):
        inside = f"blocks.{place}"
        yield from (*layer(f"{inside}.norm1", 768), *layer(f"{inside}.norm2", 768))
        yield from (*layer(f"{inside}.attn.qkv", 2304, 768), *layer(f"{inside}.attn.proj", 768, 768))
        yield from (*layer(f"{inside}.mlp.fc1", 3072, 768), *layer(f"{inside}.mlp.fc2", 768, 3072))
    yield from (*layer("norm", 768), *layer("head", 1000, 768))


def mobilenet_v2_timm() -> Names:
    yield from mobile(tuple((*stage, 3) for stage in MOBILENET_V2), squeezed=False)


def efficientnet_b0_timm() -> Names:
    yield from mobile(EFFICIENTNET_B0, squeezed=True)


def mobile(stages: tuple[tuple[int, int, int, int], ...], *, squeezed: bool) -> Names:
    before = 32
    yield "conv_stem.weight", (32, 3, 3, 3)
    yield from norm("bn1", 32)
    for stage, (expansion, width, count, kernel) in enumerate(stages):
        for place in range(count):
            inside, wide, first = f"blocks.{stage}.{place}", before * expansion, 1
            if expansion > 1:
                yield f"{inside}.conv_pw.weight", (wide, before, 1, 1)
                yield from norm(f"{inside}.bn1", wide)
                first = 2
            yield f"{inside}.conv_dw.weight", (wide, 1, kernel, kernel)
            yield from norm(f"{inside}.bn{first}", wide)
            if squeezed:
                yield from layer(f"{inside}.se.conv_reduce", before // 4, wide, 1, 1)
                yield from layer(f"{inside}.se.conv_expand", wide, before // 4, 1, 1)
            yield f"{inside}.conv_pw{'l' if expansion > 1 else ''}.weight", (width, wide, 1, 1)
            yield from norm(f"{inside}.bn{first + 1}", width)
            before = width
    yield "conv_head.weight", (1280, 320, 1, 1)
    yield from (*norm("bn2", 1280), *layer("classifier", 1000, 1280))


def vgg16_timm() -> Names:
    before, place = 3, 0
    for width in VGG16:
        if width:
            yield from layer(f"features.{place}", width, before, 3, 3)
            before = width
        place += 2 if width else 1
    yield from (*layer("pre_logits.fc1", 4096, 512, 7, 7), *layer("pre_logits.fc2", 4096, 4096, 1, 1))
    yield from layer("head.fc", 1000, 4096)
