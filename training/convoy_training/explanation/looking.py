"""Makes the page that shows what a classifier has learned, layer by layer (after Zeiler and Fergus 2014)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoy_training.classifier_graph import normalise, show_pixels
from convoy_training.explanation.deconvolution import project, rebuild, run_to
from convoy_training.explanation.network import Opened
from convoy_training.explanation.units import Excited, MapLayer, find_best, list_layers, patch_of
from convoy_training.report.page import Section, Shot
from convoy_training.tasks.classification import load_split

SHOWN = 64
"""The side in pixels of a patch, a filter or a map on the page."""
MOST_MAPS = 16
MOST_FILTERS = 64
Pixels = NDArray[np.uint8]


def look(opened: Opened, units: int, pictures: int, seed: int) -> Iterator[Section]:
    """The sections of the page. units: of each layer; pictures: of the training data that are searched."""
    data, random = load_split(opened.config, "train"), np.random.default_rng(seed)
    rows = np.sort(random.choice(len(data.labels), min(pictures, len(data.labels)), replace=False))
    images = np.concatenate([np.asarray(data.images[row : row + 1]) for row in rows.tolist()])
    one = normalise(torch.from_numpy(images[:1]), opened.config)
    layers = list_layers(opened.model, one)
    yield _filters(opened, layers[0])
    for layer in layers:
        chosen = np.unique(np.linspace(0, layer.channels - 1, units).round().astype(int)).tolist()
        yield _units(opened, layer, images, chosen)
    yield _maps(opened, layers, images[0])
    yield _reconstructions(opened, layers, images[0])
    yield _receptive_fields(layers, images[0])


def _filters(opened: Opened, layer: MapLayer) -> Section:
    weights = opened.model.get_submodule(layer.name).weight.detach()[:MOST_FILTERS]  # type: ignore[operator]
    note = f"The {layer.channels} filters of {layer.name}, each stretched from black to white; at most {MOST_FILTERS}."
    tiles = [_stretch(one.permute(1, 2, 0).numpy()) for one in weights]
    return Section("Filters of the first layer", note, shots=[Shot("each filter as a picture", _tile(tiles))])


def _units(opened: Opened, layer: MapLayer, images: Pixels, channels: Sequence[int]) -> Section:
    best = find_best(opened.model, layer, images, channels, opened.config)
    shots = []
    for channel, places in best.items():
        if places[0].value <= 0:
            continue  # It answers nothing above zero, so that behind the ReLU nobody hears it.
        patches, backs = zip(*(_patch(opened, layer, images, channel, place) for place in places), strict=True)
        answers = f"{places[0].value:.2f} to {places[-1].value:.2f}"
        shots += [Shot(f"unit {channel}: {answers}", _tile(patches)), Shot("its deconvolution", _tile(backs))]
    note = (
        f"{layer.channels} units, of which each sees {layer.receptive_field} pixels a side. For some: the nine of "
        f"{len(images):,} training pictures that excite it most, cut to what it sees, and what in them does so."
    )
    return Section(f"Units of {layer.name}", note, shots=shots)


def _patch(opened: Opened, layer: MapLayer, images: Pixels, channel: int, place: Excited) -> tuple[Pixels, Pixels]:
    image = images[place.picture]
    pixels = normalise(torch.from_numpy(image[None]), opened.config)
    with torch.no_grad():
        shape = run_to(opened.model, layer.name, pixels).shape
    part = patch_of(place, (shape[2], shape[3]), (image.shape[0], image.shape[1]), layer.receptive_field)
    back = project(opened.model, layer.name, pixels[0], channel, place.row, place.column)
    return image[part], _centre(back.permute(1, 2, 0).numpy()[part])


def _maps(opened: Opened, layers: Sequence[MapLayer], image: Pixels) -> Section:
    pixels, shots = normalise(torch.from_numpy(image[None]), opened.config), [Shot("the picture", image)]
    for layer in layers:
        with torch.no_grad():
            maps = torch.relu(run_to(opened.model, layer.name, pixels))[0, :MOST_MAPS].numpy()
        shots.append(Shot(layer.name, _tile([_stretch(np.repeat(one[..., None], 3, axis=2)) for one in maps])))
    note = f"The first {MOST_MAPS} maps of each layer, each stretched from black to white."
    return Section("One picture through the layers", note, shots=shots)


def _reconstructions(opened: Opened, layers: Sequence[MapLayer], image: Pixels) -> Section:
    pixels, shots = normalise(torch.from_numpy(image[None]), opened.config)[0], [Shot("the picture", image)]
    for layer in layers:
        shots.append(Shot(layer.name, _to_pixels(rebuild(opened.model, layer.name, pixels), opened)))
    note = (
        "Pictures made from noise until the layer answers as to the first one: what is lost, the layer does not keep."
    )
    return Section("Reconstructions", note, shots=shots)


def _receptive_fields(layers: Sequence[MapLayer], image: Pixels) -> Section:
    factor = -(-512 // max(image.shape[:2]))
    drawn = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    middle = np.array(drawn.shape[1::-1]) / 2
    for place, layer in enumerate(layers):
        reach = layer.receptive_field * factor / 2
        low, high = (tuple(int(edge) for edge in middle + side * reach) for side in (-1, 1))
        shade = round(255 * (place + 1) / len(layers))
        cv2.rectangle(drawn, low, high, (255, shade, 0), 2)
    sides = ", ".join(f"{layer.name} {layer.receptive_field}" for layer in layers)
    note = f"What the middle unit of each layer sees, from red (first layer) to yellow. Sides in pixels: {sides}."
    return Section(
        "Receptive fields",
        note,
        shots=[Shot("what is not drawn reaches beyond the picture", np.asarray(drawn, np.uint8))],
    )


def _to_pixels(planes: Tensor, opened: Opened) -> Pixels:
    return np.asarray(show_pixels(planes[None], opened.config)[0].clamp(0, 255).round().numpy(), np.uint8)


def _stretch(values: NDArray[np.float32]) -> Pixels:
    low, high = float(values.min()), float(values.max())
    return np.asarray(255 * (values - low) / max(high - low, 1e-9), np.uint8)


def _centre(values: NDArray[np.float32]) -> Pixels:
    """Grey for 0, and the largest value at the end of the scale."""
    return np.asarray(128 + 127 * values / max(float(np.abs(values).max()), 1e-9), np.uint8)


def _tile(tiles: Sequence[Pixels]) -> Pixels:
    """Pictures side by side in a square, each enlarged to SHOWN pixels, with a white line between."""
    side = int(np.ceil(np.sqrt(len(tiles))))
    sheet = np.full((side * (SHOWN + 2), side * (SHOWN + 2), 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = ((SHOWN + 2) * one for one in divmod(place, side))
        sheet[top : top + SHOWN, left : left + SHOWN] = cv2.resize(
            tile, (SHOWN, SHOWN), interpolation=cv2.INTER_NEAREST
        )
    return sheet
