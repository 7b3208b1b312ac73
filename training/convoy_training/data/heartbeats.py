"""Heartbeats as one lead of an electrocardiogram shows them, made by a generator: none of them was ever recorded.

A beat is a sum of five Gaussian bumps, P, Q, R, S and T (after McSharry et al. 2003, doi:10.1109/TBME.2003.808805), in
millivolts. What differs between the classes is what textbooks say of them:

    normal      P before each beat; the time between beats follows the breath, by some percent
    irregular   as in atrial fibrillation: times between beats that follow no rule, no P, fine waves of 4 to 9 Hz
    premature   normal, but one to four beats come early: wide, without P, T upside down, with a pause after each
    noise       no beats: muscles, a moving electrode, the mains

All have a wandering baseline, mains hum and noise of varying strength, in a gain and a width of each heart's own.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from convoy_training.data.signals import Split
from convoy_training.errors import TrainingError

CLASSES = ("normal", "irregular", "premature", "noise")
RATE_HZ, SECONDS = 100.0, 10
UNIT = "mV"
SEEDS = {"train": 1, "validation": 2}
STEP_MV = 0.005
"""Recorders have steps too; with them, processors that round differently give the same signals."""
MADE_BY = "heartbeats 1"
"""Changes with the generator."""

Wave = NDArray[np.float64]
BUMPS: dict[str, tuple[float, float, float]] = {
    "P": (-0.17, 0.13, 0.025),
    "Q": (-0.030, -0.10, 0.010),
    "R": (0.0, 1.0, 0.011),
    "S": (0.030, -0.22, 0.010),
    "T": (0.27, 0.28, 0.055),
}
"""Of each bump: seconds from R, height in millivolts, and width (one deviation) in seconds."""


@cache
def load_split(split: str, count: int) -> Split:
    """`count` signals of `train` or `validation`, as many of each class. Raises TrainingError for another split."""
    if split not in SEEDS:
        raise TrainingError(f"split '{split}': heartbeats have train and validation")
    labels = np.arange(count) % len(CLASSES)
    made = [make(CLASSES[label], np.random.default_rng((SEEDS[split], place))) for place, label in enumerate(labels)]
    return Split(np.stack(made)[..., None].astype(np.float32), labels.astype(np.int64), CLASSES)


def digest(counts: tuple[int, int]) -> str:
    """Stands for the data: the generator, and how many signals it makes for training and validation."""
    return hashlib.sha256(f"{MADE_BY}, {counts}".encode()).hexdigest()


def make(kind: str, random: np.random.Generator) -> Wave:
    """Ten seconds of one class at 100 Hz, in millivolts."""
    times = np.arange(int(RATE_HZ * SECONDS)) / RATE_HZ
    if kind == "noise":
        signal = _make_noise(times, random) * random.uniform(0.15, 0.8)
    else:
        signal = _make_beats(kind, times, random) * random.uniform(0.5, 1.6)
    signal = signal + random.uniform(0.0, 0.35) * _wander(times, random)
    signal += random.uniform(0.0, 0.04) * np.sin(2 * np.pi * (49.8 * times + random.uniform()))
    signal += random.uniform(0.01, 0.09) * random.normal(size=len(times))
    return np.round(signal / STEP_MV) * STEP_MV


def _make_beats(kind: str, times: Wave, random: np.random.Generator) -> Wave:
    bumps = {
        name: (at * random.uniform(0.9, 1.1), height * random.uniform(0.6, 1.4), width * random.uniform(0.85, 1.2))
        for name, (at, height, width) in BUMPS.items()
    }
    signal = np.zeros(len(times))
    if kind == "irregular":
        signal += _flutter(times, random)
    for at, early in _beat_times(kind, random):
        for name, (delay, height, width) in bumps.items():
            if name == "P" and (early or kind == "irregular"):
                continue
            if early:
                height, width = (-0.9 * height if name == "T" else 1.2 * height), width * (1.4 if name == "T" else 3.0)
            near = slice(*np.searchsorted(times, (at + delay - 5 * width, at + delay + 5 * width)))
            signal[near] += height * np.exp(-0.5 * ((times[near] - at - delay) / width) ** 2)
    return signal


def _beat_times(kind: str, random: np.random.Generator) -> list[tuple[float, bool]]:
    """When the R of each beat comes, in seconds, and whether it comes early."""
    usual_s = 60 / random.uniform(52, 105)
    breath_s, depth, phase = random.uniform(2.5, 5.5), random.uniform(0.01, 0.08), random.uniform(0, 2 * np.pi)
    at, beats = -random.uniform(0.0, 1.0), list[tuple[float, bool]]()
    while at < SECONDS + 1:
        beats.append((at, False))
        if kind == "irregular":
            at += usual_s * float(np.clip(random.lognormal(-0.02, 0.24), 0.45, 2.0))
        else:
            at += usual_s * (1 + depth * np.sin(2 * np.pi * at / breath_s + phase) + 0.01 * random.normal())
    if kind == "premature":
        inside = [place for place in range(1, len(beats) - 1) if 0.5 < beats[place][0] < SECONDS - 0.8]
        for place in random.choice(inside, min(len(inside), int(random.integers(1, 5))), replace=False):
            beats[place] = (beats[place][0] - usual_s * random.uniform(0.25, 0.45), True)
    return beats


def _flutter(times: Wave, random: np.random.Generator) -> Wave:
    """The fine waves of atria that tremble: a tone whose pitch and strength drift."""
    pitch_hz = random.uniform(4, 9) + 0.8 * _wander(times, random)
    strength = random.uniform(0.02, 0.09) * (1 + 0.5 * _wander(times, random))
    return strength * np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ)


def _make_noise(times: Wave, random: np.random.Generator) -> Wave:
    """Noise whose colour and strength change, and jumps of a moving electrode."""
    white = random.normal(size=len(times))
    smooth = np.convolve(white, np.hanning(int(random.integers(2, 25)) + 2), "same")
    bursts = 1 + random.uniform(0, 1.5) * np.abs(_wander(times, random))
    signal: Wave = smooth / smooth.std() * bursts
    for at in random.uniform(0, SECONDS, int(random.integers(0, 7))):
        signal += random.normal(0, 2.5) * np.exp(-np.maximum(0, times - at) / random.uniform(0.05, 0.6)) * (times >= at)
    return signal


def _wander(times: Wave, random: np.random.Generator) -> Wave:
    """A slow wave of about unit height, of three tones below 0.6 Hz."""
    tones = [np.sin(2 * np.pi * (random.uniform(0.05, 0.6) * times + random.uniform())) for _ in range(3)]
    wave: Wave = np.sum(tones, axis=0) / 2
    return wave
