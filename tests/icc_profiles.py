"""ICC profiles made by their primaries and curves, and pictures in their colours, without littlecms.

Source: ICC.1:2010 (profile version 2); Bradford adaptation to D50.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def srgb_to_linear(values: Array) -> Array:
    """The transfer function of sRGB and Display P3."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Array) -> Array:
    """Its inverse."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def power(exponent: float) -> Callable[[Array], Array]:
    """A plain power as transfer function."""
    return lambda values: values**exponent


@dataclass(frozen=True)
class Space:
    """An RGB space: chromaticities of red, green, blue and white, and the way from its values to light."""

    primaries: tuple[tuple[float, float], ...]
    white: tuple[float, float]
    to_linear: Callable[[Array], Array]

    def matrix(self) -> Array:
        """From linear values to XYZ, adapted to D50."""
        columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in self.primaries]).T
        x, y = self.white
        white = np.array([x / y, 1.0, (1 - x - y) / y])
        native = columns * np.linalg.solve(columns, white)
        scale = np.diag((_BRADFORD @ D50) / (_BRADFORD @ white))
        return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ native


_D65 = (0.3127, 0.3290)
_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
SRGB = Space(_SRGB, _D65, srgb_to_linear)
SPACES = {
    "Display P3": Space(((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _D65, srgb_to_linear),
    "Adobe RGB": Space(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), _D65, power(563 / 256)),
    "ProPhoto": Space(((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), (0.3457, 0.3585), power(1.8)),
    "linear": Space(_SRGB, _D65, power(1.0)),
    "exchanged primaries": Space((_SRGB[1], _SRGB[2], _SRGB[0]), _D65, srgb_to_linear),
}


def in_space(image_rgb: npt.NDArray[np.uint8], space: Space) -> npt.NDArray[np.uint8]:
    """The picture's values in another space, so that it looks the same with that space's profile."""
    light = srgb_to_linear(image_rgb / 255.0) @ SRGB.matrix().T
    linear = np.clip(light @ np.linalg.inv(space.matrix()).T, 0, 1)
    levels = np.linspace(0, 1, 4096)
    return np.rint(np.interp(linear, space.to_linear(levels), levels) * 255).astype(np.uint8)


def rgb_profile(space: Space) -> bytes:
    """A profile of a matrix and three curves."""
    matrix, curve = space.matrix(), _curve(space.to_linear)
    tags = {f"{name}XYZ".encode(): _xyz(matrix[:, i]) for i, name in enumerate("rgb")}
    tags |= {f"{name}TRC".encode(): curve for name in "rgb"}
    return _profile(b"RGB ", b"XYZ ", b"mntr", tags)


def grey_profile(exponent: float) -> bytes:
    """A profile of one curve."""
    return _profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": _curve(power(exponent))})


def cmyk_profile(lab_of: Callable[[tuple[int, int, int, int]], tuple[float, float, float]]) -> bytes:
    """A profile of a table: the colour, as L*, a* and b*, of each mixture of full inks (0 or 1)."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    table = b"".join(
        bytes((round(lab[0] * 2.55), round(lab[1]) + 128, round(lab[2]) + 128)) for lab in map(lab_of, corners)
    )
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    head = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity
    ramp = bytes(range(256))
    return _profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": head + ramp * 4 + table + ramp * 3})


def _profile(space: bytes, connection: bytes, device: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _description(), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(D50), **tags}
    entries, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + b"\0" * (-len(content) % 4)
        entries += name + struct.pack(">II", at + len(body), len(content))
        body += padded
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, device, space, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(D50)[8:] + bytes(48)
    return head[:128] + struct.pack(">I", len(tags)) + entries + body


def _curve(to_linear: Callable[[Array], Array]) -> bytes:
    values = np.rint(to_linear(np.linspace(0, 1, 1024)) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + values.tobytes()


def _xyz(values: Array) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _description() -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(4 + 4 + 2 + 1 + 67)
