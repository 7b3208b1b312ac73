"""Second chapter: classification, segmentation, detection and imaging, each on one picture."""

from collections.abc import Collection

import numpy as np

from convoy.client.answers.common import Box, ImageRGB
from convoy.client.answers.imaging import Transformed
from convoy.client.answers.vision import Classification, Detections, Segmentation
from convoy.demo.photos import ASTRONAUTS_FACE, packaged
from convoy.demo.stage import Stage
from convoy.drawing.drawing import draw_classification, draw_detections, draw_segmentation, draw_transformed

LEAST_OVERLAP = 0.4
LEAST_BUILDING = 0.03
SURE = 0.6
NOISE_LEVEL = 25
LEAST_GAIN_DB = 5.0


def tell_vision(stage: Stage, pulled: Collection[str] = ()) -> None:
    """Tell the chapter. pulled: the services that answer by a pulled network, which knows what a cat is."""
    first = len(stage.answers)
    _classify(stage)
    (_segment_cat if "segmentation" in pulled else _segment_street)(stage)
    (_detect_cat if "detection" in pulled else _detect_face)(stage)
    _take_noise_away(stage)
    stage.end(first)


def _classify(stage: Stage) -> None:
    photo = packaged("chelsea.png")
    heard = stage.ask(
        "what does it show?",
        photo.name,
        lambda: stage.convoy.classify(photo.data, top_k=3),
        lambda answer: (_tell_labels(answer), _is_cat(answer.labels[0].label)),
    )
    if heard.result is not None:
        stage.show(draw_classification(photo.image_rgb, heard.result), "Classification", heard.is_right)


def _segment_street(stage: Stage) -> None:
    photo = packaged("china.jpg")
    heard = stage.ask(
        "what is where?",
        photo.name,
        lambda: stage.convoy.segment(photo.data),
        lambda answer: (_tell_regions(answer), _is_sky_over_building(answer)),
    )
    if heard.result is not None:
        stage.show(
            draw_segmentation(photo.image_rgb, heard.result),
            "Segmentation (photo: danielbuechele, CC BY 2.0)",
            heard.is_right,
        )


def _detect_face(stage: Stage) -> None:
    """Look for faces, since no package carries a picture of the blood cells that the published detector finds."""
    photo = packaged("astronaut.png")
    heard = stage.ask(
        f"where are faces? (at least {SURE:.0%} sure)",
        photo.name,
        lambda: stage.convoy.detect(photo.data, model="face-detector-nano", detection_threshold=SURE),
        lambda answer: (_tell_detections(answer), _is_the_face(answer)),
    )
    if heard.result is not None:
        stage.show(draw_detections(photo.image_rgb, heard.result), "Detection", heard.is_right)


def _segment_cat(stage: Stage) -> None:
    photo = packaged("chelsea.png")
    heard = stage.ask(
        "what is where?",
        photo.name,
        lambda: stage.convoy.segment(photo.data),
        lambda answer: (_tell_regions(answer), _is_cat(_largest_thing(answer))),
    )
    if heard.result is not None:
        stage.show(draw_segmentation(photo.image_rgb, heard.result), "Segmentation", heard.is_right)


def _detect_cat(stage: Stage) -> None:
    photo = packaged("chelsea.png")
    heard = stage.ask(
        "what is where, each by itself?",
        photo.name,
        lambda: stage.convoy.detect(photo.data),
        lambda answer: (_tell_detections(answer), [found.label for found in answer] == ["cat"]),
    )
    if heard.result is not None:
        stage.show(draw_detections(photo.image_rgb, heard.result), "Detection", heard.is_right)


def _take_noise_away(stage: Stage) -> None:
    photo = packaged("astronaut.png")
    noise = NOISE_LEVEL * np.random.default_rng(0).standard_normal(photo.image_rgb.shape)
    noisy = np.rint(photo.image_rgb + noise).clip(0, 255).astype(np.uint8)
    before = _psnr_db(noisy, photo.image_rgb)

    def judge(answer: Transformed) -> tuple[str, bool]:
        after = _psnr_db(answer.image_rgb, photo.image_rgb)
        return f"{after:.1f} dB, the noisy one {before:.1f} dB", after > before + LEAST_GAIN_DB

    heard = stage.ask(
        f"and without the noise of {NOISE_LEVEL} grey levels?",
        photo.name,
        lambda: stage.convoy.transform(noisy, model="denoise-colour", noise_level=NOISE_LEVEL),
        judge,
    )
    if heard.result is not None:
        stage.show(draw_transformed(noisy, heard.result), "Imaging", heard.is_right)


def _psnr_db(image_rgb: ImageRGB, truth: ImageRGB) -> float:
    """The peak signal-to-noise ratio."""
    return float(20 * np.log10(255) - 10 * np.log10(np.mean((image_rgb.astype(np.float64) - truth) ** 2) + 1e-9))


def _is_cat(label: str) -> bool:
    """ImageNet tells kinds of cats apart: tabby, tiger cat, Egyptian cat."""
    return label == "tabby" or label.split()[-1] == "cat"


def _largest_thing(answer: Segmentation) -> str:
    things = [region for region in answer.regions if region.label != "background"]
    return max(things, key=lambda region: region.area).label if things else "nothing"


def _tell_labels(answer: Classification) -> str:
    return ", ".join(f"{label.label} {label.probability:.0%}" for label in answer.labels)


def _tell_regions(answer: Segmentation) -> str:
    return ", ".join(f"{region.label} {region.area:.0%}" for region in answer.regions[:4])


def _tell_detections(answer: Detections) -> str:
    return ", ".join(f"{found.label} {found.score:.2f}" for found in answer) or "nothing"


def _is_the_face(answer: Detections) -> bool:
    """Whether there is one box, it is labelled face, and it lies over the face."""
    return [found.label for found in answer] == ["face"] and (
        _overlap(answer.detections[0].box, ASTRONAUTS_FACE) >= LEAST_OVERLAP
    )


def _is_sky_over_building(answer: Segmentation) -> bool:
    """Whether the top tenth is mostly sky, and a building of some size lies below the sky."""
    named = {region.label.lower(): region for region in answer.regions}
    if "sky" not in named or "building" not in named:
        return False
    sky, building = (answer.mask == named[label].index for label in ("sky", "building"))
    top = sky[: sky.shape[0] // 10]
    heights = [float(np.nonzero(where)[0].mean()) for where in (sky, building)]
    return bool(top.mean() > 0.5 and building.mean() >= LEAST_BUILDING and heights[0] < heights[1])


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.x_max, other.x_max) - max(one.x_min, other.x_min)
    height = min(one.y_max, other.y_max) - max(one.y_min, other.y_min)
    both = max(0.0, width) * max(0.0, height)
    return both / (one.width * one.height + other.width * other.height - both)
