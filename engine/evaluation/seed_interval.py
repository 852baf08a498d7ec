"""Seed interval: the interval of one strategy's accuracy over several seeds on the same images.

Not here: whether two strategies differ (paired): intervals of their own are too wide for that.
"""

import math

from scipy.special import ndtri, stdtrit

from engine.evaluation.clusters import Groups, clustered
from engine.evaluation.paired import Correct, checked


def accuracy_interval(correct: Correct, level: float = 0.95, *, groups: Groups | None = None) -> tuple[float, float]:
    """Wilson's interval of the mean of bool [seeds, images], for the number of images that would be as uncertain as
    these are.

    One seed gives Wilson's own interval. Of several, the variance over images of their mean is added to the variance of
    their accuracies, which is on the careful side; the effective number of images is Korn and Graubard's (1998), as it
    is where images come in `groups`.
    """
    rows = checked(correct, "This strategy")
    right, seeds = rows.mean(axis=0), len(rows)
    images, share = len(right), float(right.mean())
    clusters = clustered(groups)
    over_images = clusters.mean_variance(right) if clusters else float(right.var()) / images
    variance = over_images + (float(rows.mean(axis=1).var(ddof=1)) / seeds if seeds > 1 else 0.0)
    unknown = clusters.effective if clusters else float(images)
    count = min(share * (1 - share) / variance, float(rows.size)) if variance > 0 else unknown
    z = float(ndtri((1 + level) / 2))
    if clusters:
        count *= (z / float(stdtrit(max(clusters.effective - 1, 1), (1 + level) / 2))) ** 2
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, centre - reach), min(1.0, centre + reach)
