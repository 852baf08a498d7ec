"""Matrix: a figure of coloured cells with numbers, where a click on a cell can be told apart.

Not here: what rows and columns are, and what a click does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from pages.ui.figures import contrast, palette

NUMBERED = 14
"""More rows than this have no numbers in their cells, unless their owner has room."""
AXIS = {"ticks": "", "showgrid": False, "zeroline": False, "fixedrange": True, "automargin": True, "tickangle": 0}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`share` (-1 to 1) colours it, below 0 in the second colour; `number` stands in it, `hover` is markup of plotly.
    Without `hover` it takes no clicks."""

    share: float
    number: str = ""
    hover: str = ""


def matrix(
    size: int, cell: Callable[[int, int], Cell], *, side: int, numbered: int = NUMBERED, theme: str = ""
) -> go.Figure:
    """`size` rows from top to bottom and as many columns of `cell(row, column)`, with numbers up to a size of
    `numbered`. A click answers with customdata [row, column]. `side` is that of a cell in pixels. Titles and names are
    the caller's."""
    cells = [[cell(row, column) for column in range(size)] for row in range(size)]
    surface, (accent, second, *_) = palette.surface(theme), palette.categorical(theme)
    figure = go.Figure(
        [
            go.Heatmap(
                z=[[cell.share for cell in row] for row in cells],
                colorscale=[(0.0, second), (0.5, surface), (1.0, accent)],
                zmin=-1,
                zmax=1,
                showscale=False,
                xgap=2,
                ygap=2,
                hoverinfo="skip",
            ),
            _squares(cells, side),
        ]
    )
    ends = (-0.5, size - 0.5)  # said, or the squares would widen them
    figure.update_xaxes(side="top", range=ends, tickvals=list(range(size)), **AXIS)
    figure.update_yaxes(range=ends[::-1], tickvals=list(range(size)), **AXIS)
    if size <= numbered:
        figure.update_layout(annotations=_numbers(cells, theme))
    return figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8}, dragmode=False)


def _numbers(cells: Sequence[Sequence[Cell]], theme: str) -> list[dict[str, object]]:
    """To be given to plotly all at once: one by one it copies all that are there. A click does not fade annotations."""
    surface, (accent, second, *_) = palette.surface(theme), palette.categorical(theme)
    return [
        {
            "x": column,
            "y": row,
            "text": cell.number,
            "showarrow": False,
            "font": {"color": contrast.on(surface, second if cell.share < 0 else accent, abs(cell.share), theme=theme)},
        }
        for row, line in enumerate(cells)
        for column, cell in enumerate(line)
        if cell.number
    ]


def _squares(cells: Sequence[Sequence[Cell]], side: int) -> go.Scatter:
    """Invisible squares over the heatmap, which itself answers no clicks."""
    places = [(row, column) for row, line in enumerate(cells) for column, cell in enumerate(line) if cell.hover]
    invisible = {"marker": {"opacity": 0}}
    return go.Scatter(
        x=[column for _, column in places],
        y=[row for row, _ in places],
        mode="markers",
        marker={"symbol": "square", "size": side, "opacity": 0},
        customdata=[list(place) for place in places],
        hovertext=[cells[row][column].hover for row, column in places],
        hovertemplate="%{hovertext}<extra></extra>",
        unselected=invisible,
        selected=invisible,
        showlegend=False,
    )
