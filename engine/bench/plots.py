"""Plots: small line plots as SVG text, readable on light and dark paper. Loads without torch.

Not here: which numbers are drawn.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 40, 48
_COLOURS = ("#0f7c8a", "#c2571a", "#6a51a3", "#4d7c0f")
_GREY = "#7b8794"


def lines(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """A plot from zero upwards; `across` is drawn on a logarithmic axis with a tick at every x that was measured."""
    xs = sorted({x for points in series.values() for x, _ in points})
    top = _round_up(max(y for points in series.values() for _, y in points))
    frame = _Frame(xs[0], xs[-1], top)
    parts = [_text(_LEFT, 20, title, size=15, weight=600), _text(_LEFT, _HEIGHT - 8, across), _text(8, 36, up)]
    for step in range(5):
        value = top * step / 4
        y = frame.y(value)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GREY}" '
            f'stroke-opacity="0.3"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end"))
    parts += [_text(frame.x(x), _HEIGHT - _BOTTOM + 18, f"{x:,g}", anchor="middle") for x in xs]
    for colour, (name, points) in zip(_COLOURS, series.items(), strict=False):
        parts += _line(frame, name, points, colour)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12"><title>{escape(title)}</title>{"".join(parts)}</svg>\n'
    )


class _Frame:
    """Where values lie on the paper."""

    def __init__(self, first: float, last: float, top: float) -> None:
        self._first, self._span, self._top = math.log(first), math.log(last / first) or 1.0, top

    def x(self, value: float) -> float:
        return _LEFT + (math.log(value) - self._first) / self._span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self._top * (_HEIGHT - _TOP - _BOTTOM)


def _line(frame: _Frame, name: str, points: Points, colour: str) -> list[str]:
    places = [(frame.x(x), frame.y(y)) for x, y in sorted(points)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    label = _text(places[-1][0] + 10, places[-1][1] + 4, name, colour=colour)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, label]


def _text(
    x: float, y: float, words: str, *, size: int = 12, weight: int = 400, anchor: str = "start", colour: str = _GREY
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(power * step for step in (1, 2, 4, 5, 8, 10) if power * step >= value * 0.999999)
