"""Plots: small line plots as SVG text, readable on light and dark paper. Loads without torch.

Not here: which numbers are drawn.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

Points = Sequence[tuple[float, float]]
_GREY = "#7b8794"
_STYLE: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _GREY),
    "svg.fonttype": "none",
    "svg.hashsalt": "thaw",
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def line_plot(title: str, x_label: str, y_label: str, *, series: Mapping[str, Points]) -> str:
    """A plot from zero upwards, with a logarithmic x axis and a tick at every x that was measured."""
    from matplotlib import rc_context  # a second that only growth needs
    from matplotlib.figure import Figure

    ticks = sorted({x for points in series.values() for x, _ in points})
    with rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for name, points in series.items():
            axes.plot(*zip(*sorted(points), strict=True), marker="o", label=name)
        axes.set(title=title, xlabel=x_label, ylabel=y_label, xscale="log", ylim=(0, None))
        axes.set_xticks(ticks, [f"{x:,g}" for x in ticks])
        axes.minorticks_off()
        axes.legend(frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()
