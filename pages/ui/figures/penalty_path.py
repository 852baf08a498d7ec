"""Penalty path: what cross-validation said of every penalty of a head that was solved, drawn and in words.

Not here: the curves of a head that is stepped (charts).
"""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from engine.events import Penalty
from pages.ui import text
from pages.ui.figures import charts, palette
from pages.ui.figures.charts import Curve


def penalty_path(penalties: Sequence[Penalty]) -> go.Figure:
    """Log loss of held-out training images over C, with its standard error; the chosen point carries a star."""
    colour, points = palette.categorical()[0], tuple((penalty.c, penalty.loss) for penalty in penalties)
    bounds = [(one.loss - one.error, one.loss, one.loss + one.error) for one in penalties]
    path = charts.line(Curve(name="held-out training images", colour=colour, points=points))
    chosen = [(penalty.c, penalty.loss) for penalty in penalties if penalty.chosen]
    star = charts.symbols(chosen, "star", colour=colour).update(name="chosen", hoverinfo="skip")
    return go.Figure([path.update(error_y=charts.error_bars(bounds, colour)), star]).update_layout(
        height=280,
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 0, "r": 8, "t": 34, "b": 0},
        xaxis={"type": "log", "title": "C: the weaker the penalty, the larger", "exponentformat": "power", "dtick": 1},
        yaxis={"title": "loss", "hoverformat": ".3f", "nticks": 6},
    )


def path_in_words(penalties: Sequence[Penalty]) -> str:
    """What `penalty_path` shows, as a sentence."""
    chosen = next(penalty for penalty in penalties if penalty.chosen)
    return (
        f"Of {text.count(len(penalties), 'penalty')} from C = {charts.rate(penalties[0].c)} to "
        f"{charts.rate(penalties[-1].c)} the loss of held-out training images is lowest at "
        f"C = {charts.rate(chosen.c)}: {chosen.loss:.3f}, with {text.percent(chosen.accuracy)} of them right."
    )


def penalty_table(penalties: Sequence[Penalty]) -> pd.DataFrame:
    """One row a penalty."""
    rows = [
        (charts.rate(one.c), f"{one.loss:.3f} ± {one.error:.3f}", text.percent(one.accuracy), "yes" * one.chosen)
        for one in penalties
    ]
    return pd.DataFrame(rows, columns=["C", "Log loss", "Accuracy", "Chosen"])
