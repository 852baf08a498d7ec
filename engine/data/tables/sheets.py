"""Sheets: the content of a table as lines of cells, however it was written; what the cells mean is not known here
(columns)."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """`lines` have as many cells each; `head` says what the columns are called, or is empty where the first line may
    do so."""

    lines: tuple[tuple[str, ...], ...]
    head: tuple[str, ...] = ()


def sheet_of(lines: Sequence[Sequence[str]], head: Sequence[str] = ()) -> Sheet:
    """A sheet whose lines are made equally long; lines and last columns without any text are dropped."""
    kept = [line for line in lines if any(cell.strip() for cell in line)]
    width = max(map(_filled, (*kept, head)), default=0)
    padded = tuple(_wide(line, width) for line in kept)
    return Sheet(lines=padded, head=_wide(head, width) if head else ())


def without_titles(lines: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """`lines` less titles and remarks above a table: those without a second cell, where most others have several."""
    single = [sum(bool(cell.strip()) for cell in line) < 2 for line in lines]
    titles = next((place for place, alone in enumerate(single) if not alone), 0)
    return lines[titles:] if sum(single[titles:]) * 2 < len(single) - titles else lines


def _filled(line: Sequence[str]) -> int:
    """How many cells there are up to the last one with text."""
    return next((place for place in range(len(line), 0, -1) if line[place - 1].strip()), 0)


def _wide(line: Sequence[str], width: int) -> tuple[str, ...]:
    return (*line[:width], *[""] * (width - len(line)))
