"""Markdown: tables whose rows begin with a title, and whether a bound was kept. Not here: what is in them."""

from collections.abc import Iterable, Sequence

import pandas as pd


def section(title: str, names: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A heading and a table whose rows begin with a title; `names` of the columns behind that."""
    return f"### {title}\n\n{table(('', *names), rows)}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of a title and numbers."""
    lines = [heads, ("---", *["--:"] * (len(heads) - 1)), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def bound(sign: str, limit: float | None, values: pd.Series) -> str:
    """A bound and whether the median keeps it, where that was measured."""
    if limit is None:
        return "–"
    kept = values.median() >= limit if sign == "≥" else values.median() <= limit
    return f"{sign} {limit:g}" + ("" if values.empty else " met" if kept else " missed")
