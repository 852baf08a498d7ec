"""Contrast: which of the theme's extremes, ink or paper, can be read on a coloured cell.

Not here: the colours themselves (palette).
"""

from pages.ui.figures import palette


def on(surface: str, accent: str, share: float, *, theme: str = "") -> str:
    """The colour of text on a cell whose colour lies `share` (0 to 1) of the way from `surface` to `accent`, as
    `#rrggbb`."""
    start, end = (_channels(colour) for colour in (surface, accent))
    light = _luminance(tuple(a + (b - a) * share for a, b in zip(start, end, strict=True)))
    return max(
        (palette.ink(theme), palette.page(theme)), key=lambda colour: _ratio(_luminance(_channels(colour)), light)
    )


def _channels(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))


def _luminance(channels: tuple[float, ...]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _ratio(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
