"""Colours that a file describes by numbers in place of a profile: gAMA, cHRM and cICP of PNG, nclx of HEIC and AVIF.

Source: PNG (Third Edition), 11.3.2; ITU-T H.273, 8.1 and 8.2; IEC 61966-2-1 (sRGB).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

SRGB_XY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""White, red, green and blue of sRGB: x and y of each."""
_PRIMARIES = {
    1: SRGB_XY,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
# Curves of television are drawn for dark rooms; programs that write pictures mean sRGB's by them.
_GAMMAS = {1: 0.0, 6: 0.0, 13: 0.0, 14: 0.0, 15: 0.0, 4: 2.2, 5: 2.8, 8: 1.0}
_NEAR_XY = 0.01
# A program that writes sRGB writes gAMA 45455 beside it for readers that know nothing else.
_SRGB_GAMMAS = (0.45, 0.46)
_LEVELS = 2**16
_SAME = 3


@dataclass(frozen=True, eq=False)
class Light:
    """The way to sRGB: a curve of 256 entries from values to light, and [3, 3] from light to the light of sRGB."""

    curve: Floats
    to_srgb: Floats | None

    def shown(self, pixels: Pixels) -> Pixels:
        """Turn RGB pixels [H, W, 3] into sRGB."""
        if self.to_srgb is None:
            return np.asarray(_encoded(self.curve)[pixels])
        light = self.curve.astype(np.float32)[pixels] @ self.to_srgb.T.astype(np.float32)
        steps = np.clip(light * (_LEVELS - 1) + 0.5, 0, _LEVELS - 1).astype(np.uint16)
        return np.asarray(_TABLE[steps])


def by_numbers(gamma: float, chromaticities: tuple[float, ...] | None) -> Light | None:
    """The light of a picture with values = light ** gamma; None for sRGB, and for numbers that make no sense.

    chromaticities: of white, red, green and blue, x and y each.
    """
    if not 0.1 <= gamma <= 10.0:
        return None
    near_srgb = _SRGB_GAMMAS[0] <= gamma <= _SRGB_GAMMAS[1]
    return _light(0.0 if near_srgb else 1.0 / gamma, chromaticities or SRGB_XY)


def by_codes(primaries: int, transfer: int) -> Light | None:
    """The light of code points of H.273; None for sRGB and for what is not known, such as the curves of HDR."""
    if primaries not in _PRIMARIES or transfer not in _GAMMAS:
        return None
    return _light(_GAMMAS[transfer], _PRIMARIES[primaries])


def _light(exponent: float, chromaticities: tuple[float, ...]) -> Light | None:
    """exponent: of the curve; 0 for sRGB's own."""
    values = np.arange(256) / 255.0
    curve = values**exponent if exponent else _decoded(values)
    if max(abs(a - b) for a, b in zip(chromaticities, SRGB_XY, strict=True)) <= _NEAR_XY:
        unchanged = np.abs(_encoded(curve).astype(int) - np.arange(256)).max() <= _SAME
        return None if unchanged else Light(curve, None)
    try:
        to_srgb = np.linalg.inv(_to_xyz(SRGB_XY)) @ _adapted(chromaticities)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    return Light(curve, to_srgb) if np.isfinite(to_srgb).all() and np.abs(to_srgb).max() < 10 else None


def _white(chromaticities: tuple[float, ...]) -> Floats:
    x, y = chromaticities[:2]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(chromaticities: tuple[float, ...]) -> Floats:
    """From linear RGB to XYZ, [3, 3]."""
    corners = zip(chromaticities[2::2], chromaticities[3::2], strict=True)
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in corners]).T
    return np.asarray(columns * np.linalg.solve(columns, _white(chromaticities)))


def _adapted(chromaticities: tuple[float, ...]) -> Floats:
    """From linear RGB to XYZ under the white of sRGB, by Bradford's adaptation."""
    scale = (_BRADFORD @ _white(SRGB_XY)) / (_BRADFORD @ _white(chromaticities))
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD @ _to_xyz(chromaticities))


def _decoded(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encoded(light: Floats) -> Pixels:
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(values * 255), np.uint8)


_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_TABLE = _encoded(np.linspace(0, 1, _LEVELS))
