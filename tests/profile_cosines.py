"""Measures how alike the embeddings of one photo are in different colour profiles and formats, by three readers.

Each photo is saved in each space with that space's profile and read again: by Convoy; by Pillow with littlecms, as any
colour-managed program reads it; and by the exact formulas in floating point, rounded once. What the last one misses is
no longer in the file. `sRGB` is the same file format without another space: the loss of the format alone.

    CONVOY_DATA=... python -m tests.profile_cosines [--photos FOLDER]
"""

import argparse
import io
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import uvloop
from convoy.core.manifest import Task
from convoy.core.models.host import ModelHost
from convoy.core.pictures.decoding import decode_image
from convoy.core.settings import Settings
from convoy.faces.pipeline import FacePipeline
from convoy.faces.task import Options
from convoy.v1 import common_pb2
from PIL import Image, ImageCms

from tests.icc_profiles import SPACES, SRGB, Space, in_space, linear_to_srgb, rgb_profile
from tests.needs import DATA

Pixels = npt.NDArray[np.uint8]
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("PNG", {}),
    "JPEG 95 4:4:4": ("JPEG", {"quality": 95, "subsampling": 0}),
    "JPEG 90 4:2:0": ("JPEG", {"quality": 90, "subsampling": 2}),
    "WebP 90": ("WEBP", {"quality": 90}),
}


def by_convoy(data: bytes, _: Space) -> Pixels:
    """As the services read it."""
    return decode_image(data).image_rgb


def by_littlecms(data: bytes, _: Space) -> Pixels:
    """Pillow's decoder, then littlecms from the file's profile to sRGB."""
    image = Image.open(io.BytesIO(data))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    shown = ImageCms.profileToProfile(image.convert("RGB"), profile, ImageCms.createProfile("sRGB"))
    assert shown is not None
    return np.asarray(shown)


def by_formula(data: bytes, space: Space) -> Pixels:
    """Pillow's decoder, then the space's own curve and matrix, in floating point."""
    values = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255.0
    light = space.to_linear(values) @ space.matrix().T @ np.linalg.inv(SRGB.matrix()).T
    return np.rint(linear_to_srgb(np.clip(light, 0, 1)) * 255).astype(np.uint8)


READERS: dict[str, Callable[[bytes, Space], Pixels]] = {
    "Convoy": by_convoy,
    "littlecms": by_littlecms,
    "formula": by_formula,
}


async def embed(pipeline: FacePipeline, pixels: Pixels) -> npt.NDArray[np.float32] | None:
    """The embedding of the largest face; None if there is none."""
    height, width = pixels.shape[:2]
    image = common_pb2.Image(raw=common_pb2.RawImage(width=width, height=height, data=pixels.tobytes()))
    photos = await pipeline.detect([image], Options(largest_only=True), None)
    faces = (await pipeline.embed(await pipeline.embedder(common_pb2.ModelRef()), photos, None))[0].faces
    return np.asarray(faces[0].embedding) if faces else None


async def measure(photos: list[Path], models: Path) -> dict[tuple[str, str, str], list[float]]:
    """Cosines to the embedding of the photo itself, by file, space and reader. A face that is lost counts as 0."""
    settings = Settings(models=models, threads=1, model_poll_s=0)
    names = {"embedder": settings.face_embedder, "detector": settings.face_detector}
    host = ModelHost(settings, (Task.FACE_DETECTION, Task.FACE_EMBEDDING), names)
    await host.start()
    cosines: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    try:
        pipeline = FacePipeline(host)
        for photo in photos:
            pixels = decode_image(photo.read_bytes()).image_rgb
            own = await embed(pipeline, pixels)
            if own is None:
                continue
            for file, (kind, options) in FILES.items():
                for name, space in {"sRGB": SRGB, **SPACES}.items():
                    buffer = io.BytesIO()
                    Image.fromarray(in_space(pixels, space)).save(
                        buffer, kind, icc_profile=rgb_profile(space), **options
                    )
                    for reader, read in READERS.items():
                        seen = await embed(pipeline, read(buffer.getvalue(), space))
                        cosines[file, name, reader].append(0.0 if seen is None else float(own @ seen))
    finally:
        await host.stop()
    return cosines


def table(cosines: dict[tuple[str, str, str], list[float]]) -> str:
    """Smallest and mean cosine of each reader, a line for a file and a space."""
    lines = [
        "| file | space | " + " | ".join(f"{name}: least, mean" for name in READERS) + " |",
        "|---|---|" + "---|" * 3,
    ]
    for file, space in dict.fromkeys((file, space) for file, space, _ in cosines):
        values = [cosines[file, space, reader] for reader in READERS]
        cells = (f"{min(each):.4f}, {sum(each) / len(each):.4f}" for each in values)
        lines.append(f"| {file} | {space} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=DATA / "samples" / "people")
    parser.add_argument("--models", type=Path, default=Path("exported_models"))
    given = parser.parse_args()
    photos = sorted(given.photos.rglob("*.jpg"))
    cosines = uvloop.run(measure(photos, given.models))
    print(f"{len(photos)} photos\n{table(cosines)}")


if __name__ == "__main__":
    main()
