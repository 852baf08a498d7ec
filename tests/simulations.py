"""How often the verdict errs: `python -m tests.simulations` draws comparisons whose truth is known and writes
docs/verdict.md.

A model is right on an image when a sum of normals is positive: the image's own difficulty, what strategy and image
share, what this seed adds on this image, and the luck of the seed on all images. Not here: the text around the tables
(verdict_page.md).
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from engine.evaluation.bootstrap import resampled_accuracies
from engine.evaluation.selection_bias import optimism
from engine.evaluation.verdict import ERROR, Rival, compare

SHARED, OWN, RUN = 0.7, 0.15, 0.15
"""Shares of the variance: image, strategy with image, seed with image. Two runs at 90 % then disagree on about 10 % of
the images."""
COMMAND = "python -m tests.simulations"
PAGE = Path(__file__).with_name("verdict_page.md")


@dataclass(frozen=True, kw_only=True)
class Design:
    """Strategies of these accuracies, each with so many seeds, on so many images of test and as many of validation.

    `seed_points` is how much the accuracy of a run varies from seed to seed (standard deviation in points); `uneven`:
    the first half of the strategies does not vary at all, the others vary twice as much. `tested`: judged on test, not
    on the validation images.
    """

    accuracies: tuple[float, ...]
    seeds: int
    images: int
    seed_points: float = 0.0
    uneven: bool = False
    tested: bool = True


def equal(
    strategies: int, seeds: int, images: int, seed_points: float = 0, uneven: bool = False, tested: bool = True
) -> Design:
    accuracies = (0.9,) * strategies
    return Design(
        accuracies=accuracies, seeds=seeds, images=images, seed_points=seed_points, uneven=uneven, tested=tested
    )


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
PLAIN = (equal(2, 2, 500, 2), equal(2, 3, 500, 2), equal(8, 3, 500, 2), equal(8, 5, 500, 1))


def draw(design: Design, source: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(correctness on test, on validation): for each strategy bool [seeds, images]; the same runs on both."""
    k, images = len(design.accuracies), 2 * design.images
    level = ndtri(np.array(design.accuracies))
    slope = np.exp(-level * level / 2) / np.sqrt(2 * np.pi)
    scale = np.where(np.arange(k) < k / 2, 0.0, 2.0) if design.uneven else np.ones(k)
    luck = scale * design.seed_points / 100 / slope
    normal = source.standard_normal
    latent = np.sqrt(SHARED) * normal(images, dtype=np.float32)
    latent = latent + np.sqrt(OWN) * normal((k, 1, images), dtype=np.float32)
    latent = latent + np.sqrt(RUN) * normal((k, design.seeds, images), dtype=np.float32)
    latent += (luck[:, None] * normal((k, design.seeds)))[:, :, None]
    right = latent > -(level * np.sqrt(1 + luck * luck))[:, None, None]
    return list(right[:, :, : design.images]), list(right[:, :, design.images :])


def best_of(correct: Sequence[np.ndarray]) -> int:
    return int(np.argmax([right.mean() for right in correct]))


def errors(design: Design, simulations: int) -> dict[str, float]:
    """Shares of the simulations: any false "better" or "worse"; all intervals hold the truth; an interval does; a
    difference is shown."""
    source = np.random.default_rng([design.images, design.seeds, len(design.accuracies), simulations])
    seen = np.zeros(4)
    for _ in range(simulations):
        test, validation = draw(design, source)
        chosen = best_of(validation)
        judged = {str(index): correct for index, correct in enumerate(test if design.tested else validation)}
        rivals = compare(judged, str(chosen), independent=design.tested)
        truth = [100 * (design.accuracies[chosen] - design.accuracies[int(rival.name)]) for rival in rivals]
        held = [rival.low - 1e-9 <= true <= rival.high + 1e-9 for rival, true in zip(rivals, truth, strict=True)]
        shown = [rival.outcome in ("better", "worse") for rival in rivals]
        seen += [any(map(_false, rivals, truth)), all(held), np.mean(held), np.mean(shown)]
    return dict(zip(("false", "together", "each", "shown"), (seen / simulations).tolist(), strict=True))


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
        yield name, [_row(design, *(f"{100 * result[share]:.1f}" for share in shares)) for design, result in results]
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


def _cells(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
