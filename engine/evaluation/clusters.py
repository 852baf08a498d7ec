"""Clusters: the variance of a mean over images that come in groups (of a person, a video), by group and not by image.

Images of a group are right or wrong together, so a hundred of them are not a hundred witnesses. Not here: what is
compared (paired), intervals (seed_interval).
"""

from dataclasses import dataclass

import numpy as np

Groups = np.ndarray
"""int [images]: a number for each group. None in its place: every image is a group of its own."""


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """`places` int [images] from 0 to the number of groups, and the `sizes` [groups] in images."""

    places: np.ndarray
    sizes: np.ndarray

    @property
    def effective(self) -> float:
        """How many groups of one size would be as uncertain, were the images of a group all alike (Kish 1965; as the
        effective number of clusters of Carter, Schnepel and Steigerwald 2017)."""
        return float(self.sizes.sum() ** 2 / np.square(self.sizes).sum())

    @property
    def usual_size(self) -> float:
        """In how large a group an image lies, on average over images."""
        return float(np.square(self.sizes).sum() / self.sizes.sum())

    def totals(self, values: np.ndarray) -> np.ndarray:
        """[..., groups]: sums of `values` [..., images] over each group."""
        flat = np.atleast_2d(values)
        summed = np.stack([np.bincount(self.places, weights=row, minlength=len(self.sizes)) for row in flat])
        return summed.reshape(*values.shape[:-1], len(self.sizes))

    def mean_variance(self, values: np.ndarray) -> float:
        """Of the mean of `values` [images]: what groups depart from it, squared (Liang and Zeger 1986, with the usual
        factor for few groups); never less than were every image its own witness."""
        centred = values - values.mean()
        images, groups = len(values), len(self.sizes)
        by_group = float(np.square(self.totals(centred)).sum()) * groups / max(groups - 1, 1)
        return max(by_group, float(np.square(centred).sum())) / images**2


def clustered(groups: Groups | None) -> Clusters | None:
    """The clusters of these `groups`; None where no two images share one."""
    if groups is None:
        return None
    _, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return Clusters(places=places, sizes=sizes) if len(sizes) < len(groups) else None
