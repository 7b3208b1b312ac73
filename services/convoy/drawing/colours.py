"""Colours of classes and tracks that can be told apart, also by people who see red and green alike."""

import colorsys

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (20, 20, 20)

APART: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
)
"""The palette of Okabe and Ito (2008) without black, in an order in which neighbours differ in lightness too."""
SHADES = (1.0, 0.55)
GOLDEN_ANGLE = 0.381966


def colour_of(index: int) -> Colour:
    """The colour of a class: seven that differ for everybody, the same ones darker, then any hue."""
    shade, place = divmod(index, len(APART))
    if shade < len(SHADES):
        red, green, blue = APART[place]
        return round(red * SHADES[shade]), round(green * SHADES[shade]), round(blue * SHADES[shade])
    red_share, green_share, blue_share = colorsys.hsv_to_rgb((0.58 + index * GOLDEN_ANGLE) % 1.0, 0.75, 0.9)
    return round(red_share * 255), round(green_share * 255), round(blue_share * 255)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever has more contrast on this colour (WCAG 2.2)."""
    shade = _luminance(colour)
    on_white, on_black = 1.05 / (shade + 0.05), (shade + 0.05) / (_luminance(BLACK) + 0.05)
    return WHITE if on_white >= on_black else BLACK


def _luminance(colour: Colour) -> float:
    """Relative luminance of sRGB, 0 to 1."""
    red, green, blue = (
        (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
        for share in (one / 255 for one in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
