"""Patterns: names with * and ? that select parameters, and the short notation in which phases are written.

A pattern names blocks (`layer4.1`), stages (`layer4`), parameters (`*.bias`) or `head`. Loads without torch.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import accumulate

from engine.errors import ConfigError
from engine.models.outline import Outline
from engine.training.plan import Phase

PHASE_NOTATION = "names | epochs | rate | decay | rate of the body"


def matches(outline: Outline, patterns: str) -> dict[str, tuple[str, ...]]:
    """Pattern -> names of the parameters it selects, in forward order."""
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    return {pattern: tuple(_matching(outline, pattern)) for pattern in wanted}


def selected(outline: Outline, patterns: str) -> tuple[str, ...]:
    """The parameters that patterns select, and the head's, in forward order. ConfigError when one selects nothing."""
    found = matches(outline, patterns)
    missing = [pattern for pattern, names in found.items() if not names]
    if missing or not found:
        near = ", ".join(block.name for block in outline.blocks[-6:])
        what = ", ".join(repr(pattern) for pattern in missing) or "The list of names"
        raise ConfigError(
            f"{what} matches no block and no parameter of {outline.backbone}. Its last blocks are {near}."
        )
    chosen = {name for names in found.values() for name in names} | {p.name for p in outline.blocks[-1].parameters}
    return tuple(p.name for block in outline.blocks for p in block.parameters if p.name in chosen)


def parse_phases(outline: Outline, text: str, *, rate: float) -> tuple[Phase, ...]:
    """Phases from `names | epochs | rate | decay | rate of the body`, separated by `;`. From the rate on, each may be
    left out: without one of its own the body takes the head's.

    `head | 2 | 1e-3; layer4, head | 3 | 1e-4 | 0.8` trains the head for two epochs, then layer4 too for three.
    """
    rows = [row.strip() for row in text.replace("\n", ";").split(";") if row.strip()]
    return tuple(_phase(outline, row, number=number, rate=rate) for number, row in enumerate(rows, start=1))


def write_phases(rows: list[tuple[str, int, float, float, float]]) -> str:
    """The notation of rows (names, epochs, rate, decay, rate of the body)."""
    return "; ".join(
        f"{names} | {epochs} | {rate:g} | {decay:g}" + (f" | {body:g}" if body != rate else "")
        for names, epochs, rate, decay, body in rows
    )


def _phase(outline: Outline, row: str, *, number: int, rate: float) -> Phase:
    parts = [part.strip() for part in row.split("|")]
    try:
        if not 2 <= len(parts) <= 5:
            raise ValueError(row)
        epochs = int(parts[1])
        lr = float(parts[2]) if len(parts) > 2 and parts[2] else rate
        decay = float(parts[3]) if len(parts) > 3 and parts[3] else 1.0
        body = float(parts[4]) if len(parts) > 4 and parts[4] else lr
        if not (1 <= epochs <= 1000 and 0 < lr <= 10 and 0.01 <= decay <= 1 and 0 < body <= 10):
            raise ValueError(row)
    except ValueError:
        raise ConfigError(
            f"Phase {number}, {row!r}, is not of the form {PHASE_NOTATION}, such as 'layer4, head | 3 | 1e-4 | 0.8': "
            "1 to 1000 epochs, rates above 0 and up to 10, a decay from 0.01 to 1."
        ) from None
    return Phase(parameters=selected(outline, parts[0]), epochs=epochs, lr=lr, body_share=body / lr, lr_decay=decay)


def _matching(outline: Outline, pattern: str) -> Iterator[str]:
    def names(name: str) -> bool:
        return fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")

    for block in outline.blocks:
        paths = accumulate(block.name.split("."), "{}.{}".format)  # of the block and of what holds it
        # a stage by its whole name alone: `features.1*` does not mean all of `features.14..18`
        whole = pattern in ("all", block.stage) or any(map(names, paths))
        yield from (parameter.name for parameter in block.parameters if whole or names(parameter.name))
