"""Simulated comparisons: strategies whose accuracy is known, the answers of their runs, and what is said of them.

A model is right on an image when a sum of normals is positive: the image's own difficulty, what strategy and image
share, what this seed adds on this image, and the luck of the seed on all images. Not here: how often what is said is
wrong (simulations).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from engine.evaluation.rivals import Rival, compare

SHARED, OWN, RUN = 0.7, 0.15, 0.15
"""Shares of the variance: image, strategy with image, seed with image. Two runs at 90 % then disagree on about 10 % of
the images."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Strategies of these accuracies, each with so many seeds, on so many images of test and as many of validation.

    `seed_points` is how much the accuracy of a run varies from seed to seed (standard deviation in points); `uneven`:
    the first half of the strategies does not vary at all, the others vary twice as much. `tested`: judged on test, not
    on the validation images. The first `solved` strategies have one run, which another seed would not change. They cost
    the more the later they are named. Images come in groups of `group_size` (0: each by itself), where `skewed` from
    some large to many small; half of what an image shares with others, and with a strategy, its group does.
    """

    accuracies: tuple[float, ...]
    seeds: int
    images: int
    seed_points: float = 0.0
    uneven: bool = False
    tested: bool = True
    solved: int = 0
    group_size: int = 0
    skewed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, range(len(self.accuracies))))


def equal(
    strategies: int,
    seeds: int,
    images: int,
    seed_points: float = 0,
    uneven: bool = False,
    tested: bool = True,
    solved: int = 0,
) -> Design:
    return Design(
        accuracies=(0.9,) * strategies,
        seeds=seeds,
        images=images,
        seed_points=seed_points,
        uneven=uneven,
        tested=tested,
        solved=solved,
    )


def groups_of(design: Design) -> np.ndarray | None:
    """int [images] of test and as many of validation; None where every image stands for itself."""
    if not design.group_size:
        return None
    count = design.images // design.group_size
    shares = 1 / np.arange(1, count + 1) if design.skewed else np.ones(count)
    bounds = np.round(np.cumsum(shares) / shares.sum() * design.images).astype(int)
    return np.searchsorted(bounds, np.arange(design.images), side="right")


def _by_group(design: Design, source: np.random.Generator) -> np.ndarray:
    """float [strategies or 1, 1, images of both splits] to be added to what images have of their own, variance 1 each:
    (what all share, what each strategy has) stacked."""
    groups, strategies = groups_of(design), len(design.accuracies)
    if groups is None:
        return np.zeros((strategies, 1, 1))
    count = int(groups.max()) + 1
    places = np.concatenate([groups, groups + count])
    shared, own = source.standard_normal((1, 2 * count)), source.standard_normal((strategies, 2 * count))
    return (np.sqrt(SHARED / 2) * shared + np.sqrt(OWN / 2) * own)[:, places][:, None]


def draw(design: Design, source: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(correctness on test, on validation): for each strategy bool [seeds, images]; the same runs on both."""
    k, images = len(design.accuracies), 2 * design.images
    level = ndtri(np.array(design.accuracies))
    slope = np.exp(-level * level / 2) / np.sqrt(2 * np.pi)
    scale = np.where(np.arange(k) < k / 2, 0.0, 2.0) if design.uneven else np.ones(k)
    scale[: design.solved] = 0.0
    luck = scale * design.seed_points / 100 / slope
    normal = source.standard_normal
    alone = 0.5 if design.group_size else 1.0
    latent = np.sqrt(alone * SHARED) * normal(images, dtype=np.float32)
    latent = latent + np.sqrt(alone * OWN) * normal((k, 1, images), dtype=np.float32)
    latent = latent + np.sqrt(RUN) * normal((k, design.seeds, images), dtype=np.float32)
    latent += (luck[:, None] * normal((k, design.seeds)))[:, :, None]
    latent = latent + _by_group(design, source)
    right = latent > -(level * np.sqrt(1 + luck * luck))[:, None, None]
    runs = [correct[:1] if place < design.solved else correct for place, correct in enumerate(right)]
    return [correct[:, : design.images] for correct in runs], [correct[:, design.images :] for correct in runs]


def best_of(correct: Sequence[np.ndarray]) -> int:
    return int(np.argmax([right.mean() for right in correct]))


def compared(design: Design, source: np.random.Generator, *, by_group: bool = True) -> tuple[str, tuple[Rival, ...]]:
    """(the chosen one, the others against it) of a simulated comparison; unless `by_group` as if every image stood for
    itself."""
    test, validation = draw(design, source)
    chosen = design.names[best_of(validation)]
    judged = dict(zip(design.names, test if design.tested else validation, strict=True))
    solved = design.names[: design.solved]
    groups = groups_of(design) if by_group else None
    return chosen, compare(judged, chosen, independent=design.tested, solved=solved, groups=groups)
