"""Defaults page: the regret of the automatic rates and epochs, written from the cells that were measured.

Not here: measuring them (defaults).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from engine.bench.defaults import DEFAULT, Cell, Setting, cells_of
from engine.bench.markdown import table
from engine.workspace import atomic_write

_HEAD = """# Automatic rates and epochs

Written by `python -m engine bench --defaults`, not by hand. Each dataset is split once; a setting stands for its mean
test accuracy over seeds. **Regret** is what a setting loses, in points, against the best one of that dataset and
strategy. The best of many is partly the luckiest, so it is an upper bound: of equally good settings it is above zero,
too."""
Means = Mapping[tuple[str, str], Mapping[Setting, float]]
"""(dataset, strategy) -> setting -> mean test accuracy in percent."""
_BAR = 20
"""Characters of the longest bar."""


def write_defaults(folder: Path, page: Path) -> Path:
    """Write `page` from what was measured in `folder`; returns it."""
    means = means_of(cells_of(folder))
    strategies = list(dict.fromkeys(strategy for _, strategy in means))
    parts = [_HEAD, _regret_table(means, strategies), *(_settings_table(means, one) for one in strategies)]
    atomic_write(page, "\n\n".join(part.strip() for part in parts) + "\n")
    return page


def means_of(cells: Iterable[Cell]) -> Means:
    """Of the settings that have as many seeds as the default; a dataset without the default is left out."""
    found: defaultdict[tuple[str, str], defaultdict[Setting, list[float]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        found[cell.dataset, cell.strategy][cell.setting].append(100 * cell.test_accuracy)
    return {
        place: {setting: fmean(values) for setting, values in tried.items() if len(values) == len(tried[DEFAULT])}
        for place, tried in found.items()
        if DEFAULT in tried
    }


def regret(tried: Mapping[Setting, float]) -> float:
    """Points between the best setting and the default."""
    return max(tried.values()) - tried[DEFAULT]


def _regret_table(means: Means, strategies: Sequence[str]) -> str:
    datasets = list(dict.fromkeys(dataset for dataset, _ in means))
    rows = []
    for strategy in strategies:
        regrets = [regret(means[dataset, strategy]) for dataset in datasets if (dataset, strategy) in means]
        cells = [_accuracy_and_regret(means.get((dataset, strategy))) for dataset in datasets]
        rows.append([f"`{strategy}`", *cells, f"{fmean(regrets):.1f}", f"{max(regrets):.1f}"])
    heads = ("strategy", *datasets, "mean", "worst")
    return f"## Regret\n\nAccuracy of the default in percent, and its regret in brackets.\n\n{table(heads, rows)}"


def _accuracy_and_regret(tried: Mapping[Setting, float] | None) -> str:
    return "–" if tried is None else f"{tried[DEFAULT]:.1f} ({regret(tried):.1f})"


def _settings_table(means: Means, strategy: str) -> str:
    """Every setting with what it loses on average against the best of each dataset."""
    of = [tried for (_, name), tried in means.items() if name == strategy]
    shared = [setting for setting in of[0] if all(setting in tried for tried in of)]
    losses = {setting: [max(tried.values()) - tried[setting] for tried in of] for setting in shared}
    longest = max(fmean(values) for values in losses.values()) or 1.0
    rows = []
    for setting, values in losses.items():
        bar = "█" * round(_BAR * fmean(values) / longest)
        rows.append([_name(setting), f"{fmean(values):.1f}", f"{max(values):.1f}", bar])
    return f"## {strategy}\n\n{table(('setting', 'mean regret', 'worst', ''), rows)}"


def _name(setting: Setting) -> str:
    given = [f"{name}={value:g}" for name, value in vars(setting).items() if value]
    return ", ".join(given) or "**default**"
