"""Colours of classes can be told apart, also by the colour-blind, and the text on them can be read."""

from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from convoy.drawing.colours import APART, BLACK, WHITE, colour_of, ink_on

# How people without one kind of cones see linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.0.
SIGHT = {
    "all cones": np.eye(3),
    "no long ones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no middle ones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no short ones": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TOLD_APART = 10.0
"""A distance in CIELAB that one sees at a glance; 2.3 is just noticeable."""


def linear(colours: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def seen(colours: list[tuple[int, int, int]], sight: str) -> npt.NDArray[np.float32]:
    """CIELAB of colours as somebody sees them."""
    light = np.clip(linear(np.array(colours, float) / 255) @ SIGHT[sight].T, 0, 1)
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
    return np.asarray(cv2.cvtColor(shown[None], cv2.COLOR_RGB2LAB)[0], np.float32)


@pytest.mark.parametrize("sight", SIGHT)
def test_seven_classes_are_told_apart_by_everybody(sight: str) -> None:
    lab = seen([colour_of(index) for index in range(len(APART))], sight)
    assert min(float(np.linalg.norm(one - other)) for one, other in combinations(lab, 2)) > TOLD_APART


@pytest.mark.parametrize("sight", SIGHT)
def test_classes_next_to_each_other_are_told_apart(sight: str) -> None:
    lab = seen([colour_of(index) for index in range(2 * len(APART))], sight)
    assert float(np.linalg.norm(lab[1:] - lab[:-1], axis=1).min()) > TOLD_APART


def test_a_hundred_classes_have_a_hundred_colours() -> None:
    assert len({colour_of(index) for index in range(100)}) == 100


def test_text_can_be_read_on_every_colour() -> None:
    def luminance(colour: tuple[int, int, int]) -> float:
        return float(linear(np.array(colour, float) / 255) @ (0.2126, 0.7152, 0.0722))

    for colour in [colour_of(index) for index in range(256)]:
        shades = sorted((luminance(colour), luminance(ink_on(colour))))
        assert (shades[1] + 0.05) / (shades[0] + 0.05) > 4.0
    assert (ink_on(WHITE), ink_on(BLACK)) == (BLACK, WHITE)
