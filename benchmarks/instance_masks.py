"""Average precision of the cells of ISBI 2012, one by one: a detector with masks beside connected components.

    python -m benchmarks.instance_masks exported_models/isbi-unet/1 [exported_models/NAME/VERSION ...]

Each model is asked about the last five slices, which no recipe trains on. A segmenter's cells are the 4-connected
regions of its class `cell` of at least 50 pixels, as the truth's are. A region has no score: the largest come first,
since crumbs are seldom cells (`--by none` leaves them equal). A detector's masks come with its own scores. In brackets
stand 95 % intervals over draws of the slices.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from convoy.core.manifest import GRAPH_FILE, Manifest, Task, load_manifest
from convoy.core.models.engine import Engine
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import place
from convoy.detection import task as detection
from convoy.segmentation import task as segmentation
from convoy_training.data import isbi_cells
from convoy_training.data.instances import encode
from convoy_training.metrics.mask_precision import MOST_MASKS, Masks, collect_masks, evaluate_masks, summarise_masks
from convoy_training.metrics.precision import read_precision, resample_pictures


def answer(engine: Engine, manifest: Manifest, picture: Picture, by: str) -> Masks:
    """The cells that a model finds in a picture."""
    canvas, placement = place(picture.image_rgb, manifest.input)
    outputs = {name: rows[0] for name, rows in engine.run(canvas[None]).items()}
    if manifest.task is Task.DETECTION:
        options = detection.Options(0.01, max_detections=MOST_MASKS, masks=True)
        return collect_masks(detection.interpret(outputs, placement, picture, manifest, options))
    inside = segmentation.interpret(outputs, placement, picture) == manifest.labels.index("cell")
    _, regions, facts, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)
    areas = facts[:, cv2.CC_STAT_AREA]
    kept = [number for number in range(1, len(facts)) if areas[number] >= isbi_cells.LEAST_AREA]
    scores = areas[kept] / inside.size if by == "area" else np.ones(len(kept))
    return Masks([encode(regions == number) for number in kept], np.zeros(len(kept), np.int64), scores)


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--by", choices=("area", "none"), default="area", help="how a segmenter's regions are ranked")
    parser.add_argument("--data", default="isbi2012_membrane_A.tar")
    asked = parser.parse_args()
    examples = isbi_cells.load_split(asked.data, "validation").examples
    truth = [Masks(example.masks, example.labels) for example in examples]
    print(f"{sum(len(one.labels) for one in truth)} cells in {len(truth)} slices")
    for folder in asked.models:
        manifest, engine = load_manifest(folder), Engine(folder / GRAPH_FILE, "cpu", 1)
        found = [answer(engine, manifest, example.photo.decode(), asked.by) for example in examples]
        evaluation = evaluate_masks(found, truth, isbi_cells.CLASSES)
        intervals = resample_pictures(evaluation, summarise_masks)
        told = ", ".join(
            f"{name} {value:.4f} ({intervals[name][0]:.4f} to {intervals[name][1]:.4f})"
            for name, value in summarise_masks(read_precision(evaluation)).items()
        )
        print(f"{folder.parent.name}/{folder.name}: {told}; {sum(len(one.masks) for one in found)} found")


if __name__ == "__main__":
    main()
