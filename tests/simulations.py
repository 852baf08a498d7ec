"""How often the verdict errs: `python -m tests.simulations` draws comparisons whose truth is known and writes
docs/verdict.md.

Not here: how a comparison is drawn (simulated_comparisons), the text around the tables (verdict_page.md).
"""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import numpy as np
from scipy.stats import binom

from engine.evaluation.advice import advise
from engine.evaluation.bootstrap import resampled_accuracies
from engine.evaluation.margin import MARGIN_POINTS
from engine.evaluation.rivals import ERROR, Rival, compare
from engine.evaluation.selection_bias import optimism
from tests.simulated_comparisons import Design, best_of, compared, draw, equal

COMMAND = "python -m tests.simulations"
PAGE = Path(__file__).with_name("verdict_page.md")


_EQUAL = (
    *((2, 1, 100), (2, 1, 153), (2, 1, 500), (5, 1, 153), (8, 1, 100), (8, 1, 153), (8, 1, 500)),
    *((2, 3, 153, 0), (2, 3, 153, 1), (2, 3, 500, 2), (5, 3, 500, 1)),
    *((8, 3, 100, 0), (8, 3, 153, 1), (8, 3, 500, 2), (8, 3, 500, 4)),
    *((2, 5, 153, 1), (5, 5, 500, 2), (8, 5, 500, 0), (8, 5, 500, 3), (2, 2, 500, 2), (8, 20, 500, 3)),
    *((2, 3, 500, 1, True), (8, 3, 500, 2, True), (5, 5, 500, 3, True), (2, 3, 500, 2, True), (8, 2, 500, 2, True)),
)
_ON_VALIDATION = ((2, 1, 153), (8, 1, 153), (8, 1, 500), (8, 3, 153, 1))
EQUAL = tuple(equal(*design) for design in _EQUAL)
ON_VALIDATION = tuple(equal(*design, tested=False) for design in _ON_VALIDATION)
ONE_SEED = (equal(2, 1, 500, 1), equal(2, 1, 500, 2), equal(8, 1, 500, 2))
DIFFERENT = tuple(
    Design(accuracies=(0.93, 0.93, 0.90, 0.90, 0.88), seeds=seeds, images=images, seed_points=points)
    for seeds, images, points in ((1, 153, 0), (1, 500, 0), (3, 500, 0.5), (3, 500, 1), (5, 500, 1), (10, 500, 1))
)
POWER = (
    (100, 0.10, 0.085),
    (153, 0.10, 0.070),
    (153, 0.20, 0.098),
    (300, 0.10, 0.050),
    (500, 0.05, 0.028),
    (500, 0.10, 0.040),
    (1000, 0.10, 0.030),
)
"""(images, share of images that exactly one of the two gets right, true difference)."""
FLATTERED = ((2, 153), (8, 100), (8, 153), (8, 500))
MIXED = tuple(
    equal(*design, solved=solved)
    for solved, *design in (
        *((1, 2, 3, 153, 1), (1, 2, 3, 500, 1), (1, 2, 3, 500, 2), (1, 2, 5, 500, 2), (1, 5, 3, 153, 1)),
        *((1, 5, 3, 500, 2), (1, 8, 3, 500, 2), (1, 8, 5, 500, 3), (3, 8, 3, 500, 2), (2, 3, 3, 500, 2)),
        *((1, 5, 1, 153, 0), (1, 8, 3, 500, 4), (1, 2, 5, 500, 4), (1, 2, 3, 500, 4), (1, 2, 2, 500, 4)),
    )
)
_WORSE, _MANY_WORSE = (0.90, 0.92), (0.90, 0.90, 0.90, 0.90, 0.92)
ADVISED = tuple(
    Design(accuracies=accuracies, seeds=seeds, images=images, seed_points=points, solved=solved, tested=tested)
    for accuracies, solved, seeds, images, points, tested in (
        *((_WORSE, 0, 1, images, 0, True) for images in (48, 153, 500, 2000)),
        *((_WORSE, solved, 3, images, 1, True) for images in (153, 500, 2000) for solved in (0, 1)),
        *((_WORSE, solved, 3, 500, 4, True) for solved in (0, 1)),
        *(
            (_MANY_WORSE, solved, seeds, images, 1, True)
            for images in (500, 2000)
            for solved, seeds in ((0, 3), (1, 3))
        ),
        (_MANY_WORSE, 0, 1, 2000, 0, True),
        (_WORSE, 0, 1, 500, 0, False),
        (_MANY_WORSE, 0, 3, 500, 1, False),
        ((0.92, 0.92), 0, 1, 153, 0, True),
        ((0.92, 0.92), 0, 1, 500, 0, True),
        ((0.92, 0.92), 0, 1, 2000, 0, True),
        ((0.92, 0.92), 0, 3, 2000, 0.5, True),
        ((0.92, 0.92), 1, 3, 2000, 0.5, True),
        ((0.92, 0.92, 0.92, 0.92, 0.92), 1, 3, 2000, 0.5, True),
    )
)
GROUPED = tuple(
    Design(accuracies=(0.9,) * k, seeds=seeds, images=images, seed_points=points, group_size=size, skewed=skewed)
    for k, seeds, images, points, size, skewed in (
        *((2, 1, 200, 0, 20, False), (2, 1, 400, 0, 20, False), (2, 1, 800, 0, 20, False), (2, 1, 400, 0, 4, False)),
        *((2, 1, 400, 0, 20, True), (2, 1, 800, 0, 20, True), (8, 1, 800, 0, 20, False), (2, 3, 800, 1, 20, False)),
        *((8, 3, 800, 1, 20, True), (2, 3, 400, 2, 4, False)),
    )
)
PLAIN = (equal(2, 2, 500, 2), equal(2, 3, 500, 2), equal(8, 3, 500, 2), equal(8, 5, 500, 1))


def errors(design: Design, simulations: int, by_group: bool = True) -> dict[str, float]:
    """Shares of the simulations: any false "better" or "worse"; all intervals hold the truth; an interval does; a
    difference is shown."""
    source = np.random.default_rng([design.images, design.seeds, len(design.accuracies), simulations])
    seen = np.zeros(4)
    for _ in range(simulations):
        chosen, rivals = compared(design, source, by_group=by_group)
        truth = [100 * (design.accuracies[int(chosen)] - design.accuracies[int(rival.name)]) for rival in rivals]
        held = [rival.low - 1e-9 <= true <= rival.high + 1e-9 for rival, true in zip(rivals, truth, strict=True)]
        shown = [rival.outcome in ("better", "worse") for rival in rivals]
        seen += [any(map(_false, rivals, truth)), all(held), np.mean(held), np.mean(shown)]
    return dict(zip(("false", "together", "each", "shown"), (seen / simulations).tolist(), strict=True))


def advice_errors(design: Design, simulations: int) -> dict[str, float]:
    """Shares of the simulations: what is shown to lose less than the margin loses as much or more, against the chosen
    one, or against any where it is the chosen one; something is shown; the cheapest of those not shown to be worse
    loses as much against the chosen one."""
    source = np.random.default_rng([design.images, design.seeds, len(design.accuracies), simulations])
    seen = np.zeros(3)
    for _ in range(simulations):
        chosen, rivals = compared(design, source)
        ranked = sorted(design.names, key=lambda name: name != chosen)
        advice = advise(chosen, rivals, margin=MARGIN_POINTS, cheapest_first=design.names, ranked=ranked)
        beside = [chosen] if advice.take != chosen else [rival.name for rival in rivals]
        cheapest = min({*design.names} - {rival.name for rival in rivals if rival.outcome == "better"})
        seen += [
            advice.shown and _loses(design, advice.take, beside),
            advice.shown,
            _loses(design, cheapest, [chosen]),
        ]
    return dict(zip(("wrong", "shown", "before"), (seen / simulations).tolist(), strict=True))


def _loses(design: Design, taken: str, others: Iterable[str]) -> bool:
    """Whether one of these is better by the margin or more."""
    truth = dict(zip(design.names, design.accuracies, strict=True))
    return 100 * (max(truth[other] for other in others) - truth[taken]) >= MARGIN_POINTS - 1e-9


def plain_bootstrap(design: Design, simulations: int) -> float:
    """How often a percentile interval of the hierarchical bootstrap, split evenly over the rivals, leaves out zero
    where all are equal."""
    source, wrong, tail = np.random.default_rng(5), 0, ERROR / 2 / (len(design.accuracies) - 1)
    for number in range(simulations):
        test, validation = draw(design, source)
        chosen = best_of(validation)
        drawn = resampled_accuracies(test, seed=number)
        low, high = np.quantile(np.delete(drawn[:, [chosen]] - drawn, chosen, axis=1), [tail, 1 - tail], axis=0)
        wrong += bool(((low > 0) | (high < 0)).any())
    return wrong / simulations


def power(images: int, discordance: float, difference: float, simulations: int) -> float:
    """How often "better" is said of two single runs that differ so much and disagree so often."""
    source, shown = np.random.default_rng(images), 0
    chances = [(discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance]
    for _ in range(simulations):
        kind = source.choice(3, size=(1, images), p=chances)
        shown += compare({"a": kind != 1, "b": kind != 0}, "a", independent=True)[0].outcome == "better"
    return shown / simulations


def flattered(strategies: int, images: int, simulations: int) -> tuple[float, float]:
    """Points by which the best of equally good single runs exceeds its true accuracy: (measured, as stated)."""
    source, design = np.random.default_rng(images), equal(strategies, 1, images)
    gains, said = [], []
    for number in range(simulations):
        _, validation = draw(design, source)
        gains.append(max(correct.mean() for correct in validation) - 0.9)
        if number % 20 == 0:
            said.append(optimism(validation))
    return 100 * float(np.mean(gains)), 100 * float(np.mean(said))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every design and write the page."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--simulations", type=int, default=2000, help="of each design")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs" / "verdict.md")
    options = parser.parse_args(arguments)
    n, day = options.simulations, f"{datetime.now(UTC):%Y-%m-%d}"
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        tables = {name: "\n".join(rows) for name, rows in _tables(pool, n)}
    text = PAGE.read_text(encoding="utf-8").format(command=COMMAND, day=day, simulations=n, **tables)
    options.out.write_text(text, encoding="utf-8")


def _tables(pool: ProcessPoolExecutor, n: int) -> Iterator[tuple[str, list[str]]]:
    """(name in the page, rows)"""
    for name, designs in (
        ("equal", EQUAL),
        ("validation", ON_VALIDATION),
        ("one_seed", ONE_SEED),
        ("different", DIFFERENT),
    ):
        shares = ("false", "together", "each", *(["shown"] if name == "different" else []))
        results = zip(designs, pool.map(errors, designs, repeat(n)), strict=True)
        yield name, [_row(design, *_percents(result, *shares)) for design, result in results]
    results = zip(MIXED, pool.map(errors, MIXED, repeat(n)), strict=True)
    yield (
        "mixed",
        [_mixed(design, *_percents(result, "false", "together", "each")) for design, result in results],
    )
    yield "grouped", [_grouped(*row) for row in zip(GROUPED, *_by_group_or_not(pool, n), strict=True)]
    told = zip(ADVISED, pool.map(advice_errors, ADVISED, repeat(n)), strict=True)
    yield "advised", [_advised(design, *_percents(result, "wrong", "shown", "before")) for design, result in told]
    simulated = zip(POWER, pool.map(power, *zip(*POWER, strict=True), repeat(n)), strict=True)
    yield (
        "power",
        [
            _cells(
                images,
                f"{100 * discordance:g}",
                f"{100 * gap:.1f}",
                f"{100 * mcnemar_power(gap, discordance, images):.0f}",
                f"{100 * share:.0f}",
            )
            for (images, discordance, gap), share in simulated
        ],
    )
    gains = zip(FLATTERED, pool.map(flattered, *zip(*FLATTERED, strict=True), repeat(n)), strict=True)
    yield "flattered", [_cells(*row, f"{measured:.1f}", f"{said:.1f}") for row, (measured, said) in gains]
    wrong = zip(PLAIN, pool.map(plain_bootstrap, PLAIN, repeat(n // 4)), strict=True)
    yield "plain", [_row(design, f"{100 * share:.1f}") for design, share in wrong]


def mcnemar_power(difference: float, discordance: float, images: int) -> float:
    """How often McNemar's mid-p test shows a true `difference`, summed over all outcomes; `discordance` is the share of
    images that exactly one of the two models gets right."""
    power = 0.0
    for total, chance in enumerate(binom.pmf(np.arange(images + 1), images, discordance)):
        first = np.arange(total + 1)
        low = np.minimum(first, total - first)
        shown = 2 * binom.cdf(low, total, 0.5) - binom.pmf(low, total, 0.5) <= ERROR
        power += float(chance * binom.pmf(first[shown], total, (1 + difference / discordance) / 2).sum())
    return power


def _false(rival: Rival, truth: float) -> bool:
    return (rival.outcome == "better" and truth <= 0) or (rival.outcome == "worse" and truth >= 0)


def _row(design: Design, *shares: str) -> str:
    luck = f"0 and {2 * design.seed_points:g}" if design.uneven else f"{design.seed_points:g}"
    known = luck if design.seeds > 1 or design.seed_points else "-"
    return _cells(len(design.accuracies), design.seeds, design.images, known, *shares)


def _by_group_or_not(pool: ProcessPoolExecutor, n: int) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    known, ignored = (list(pool.map(errors, GROUPED, repeat(n), repeat(way))) for way in (True, False))
    return known, ignored


def _grouped(design: Design, known: Mapping[str, float], ignored: Mapping[str, float]) -> str:
    groups, sizes = design.images // design.group_size, "uneven" if design.skewed else "even"
    shares = (*_percents(known, "false", "together", "each"), *_percents(ignored, "false"))
    return _cells(len(design.accuracies), design.seeds, design.images, groups, sizes, *shares)


def _mixed(design: Design, *shares: str) -> str:
    strategies = len(design.accuracies)
    return _cells(strategies, design.solved, design.seeds, design.images, f"{design.seed_points:g}", *shares)


def _advised(design: Design, *shares: str) -> str:
    accuracies = ", ".join(f"{100 * accuracy:g}" for accuracy in design.accuracies)
    judged = "test" if design.tested else "validation"
    luck = f"{design.seed_points:g}" if design.seeds > 1 else "-"
    return _cells(accuracies, design.solved or "-", design.seeds, f"{design.images} {judged}", luck, *shares)


def _percents(result: Mapping[str, float], *names: str) -> list[str]:
    return [f"{100 * result[name]:.1f}" for name in names]


def _cells(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
