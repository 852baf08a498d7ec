"""Selection bias: choosing the best on some images flatters the best on these images, and by how much at most.

Not here: choosing (verdict). The remedy is a test split; this says what its absence costs.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from engine.evaluation.clusters import Clusters, Groups, clustered
from engine.evaluation.paired import Correct

_DRAWS = 4000


def optimism(
    entrants: Sequence[Correct], epochs: int | Sequence[int] = 1, seed: int = 0, *, groups: Groups | None = None
) -> float:
    """What the accuracy of the best exceeds the truth by, on average, had all of them been equally good: an upper
    estimate, a share.

    Each seed of each entrant kept the best of `epochs` epochs (of all, or of each) on these images, then the best
    entrant was kept. Accuracies on the same images share the luck of the images, which is nobody's advantage; what is
    left differs as much as the entrants were seen to disagree (a normal with the variance of the paired differences),
    and the best is the largest of so many draws. Where learning rates were tried, `epochs` are those of every rate.
    Epochs of one run are taken to disagree as two seeds do, or, where nothing ran twice, as two entrants do: in truth
    less. Images of one of the `groups` share their luck, so that there are fewer of them than there seem.
    """
    images, seeds = entrants[0].shape[1], [len(correct) for correct in entrants]
    own = _own_variance(entrants)
    repeated = [correct.var(axis=0, ddof=1).mean() for correct in entrants if len(correct) > 1]
    each_run = float(np.mean(repeated)) if repeated else own  # between the seeds of an entrant, for one image
    lasting = max(0.0, own - each_run * float(np.mean([1 / runs for runs in seeds])))
    draw = np.random.default_rng(seed)
    chances = epochs if isinstance(epochs, Sequence) else [epochs] * len(entrants)
    best_epochs = [  # the largest of so many normals
        ndtri(draw.random((_DRAWS, runs)) ** (1 / tries)).mean(axis=1)
        for runs, tries in zip(seeds, chances, strict=True)
    ]
    luck = np.sqrt(lasting) * draw.standard_normal((len(entrants), _DRAWS)) + np.sqrt(each_run) * np.stack(best_epochs)
    return max(0.0, float(luck.max(axis=0).mean()) / np.sqrt(images / _design_effect(entrants, clustered(groups))))


def _design_effect(entrants: Sequence[Correct], clusters: Clusters | None) -> float:
    """How many times larger the variance of a mean is because images come in groups (Kish 1965), for what an entrant
    does not share with the others."""
    centred = _not_shared(entrants)
    alone = float(np.square(centred).sum())
    return max(1.0, float(np.square(clusters.totals(centred)).sum()) / alone) if clusters and alone else 1.0


def _own_variance(entrants: Sequence[Correct]) -> float:
    """Variance, for one image, of what an entrant does not share with the others: half of that of the paired
    differences."""
    if len(entrants) == 1:
        share = float(entrants[0].mean())
        return share * (1 - share)  # nothing to share the images with
    return float((_not_shared(entrants) ** 2).sum(axis=0).mean() / (len(entrants) - 1))


def _not_shared(entrants: Sequence[Correct]) -> np.ndarray:
    """[entrants, images]: by how much more an entrant is right on an image than it usually is, less what all are."""
    right = np.stack([correct.mean(axis=0) for correct in entrants])
    centred = right - right.mean(axis=1, keepdims=True)
    return np.asarray(centred - centred.mean(axis=0) if len(right) > 1 else centred)
