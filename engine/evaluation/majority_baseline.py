"""Majority baseline: what always naming the most frequent class would reach, and whether a strategy beats it.

Not here: one strategy against another (verdict), the sentences (comparisons.wording).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.evaluation.metric_records import SplitMetrics


@dataclass(frozen=True, kw_only=True)
class MajorityBaseline:
    """The most frequent class of the images that judge, and its share of them."""

    name: str
    share: float

    def beaten(self, interval: tuple[float, float], optimism: float | None) -> bool:
        """Whether the 95 % `interval` of an accuracy lies above it, less the points by which choosing can have
        flattered."""
        return interval[0] - (optimism or 0.0) / 100 > self.share


def guess_of(scores: SplitMetrics) -> MajorityBaseline | None:
    """For the images of one split of one run."""
    return majority_baseline({row.name: row.support for row in scores.per_class})


def majority_baseline(images: Mapping[str, int]) -> MajorityBaseline | None:
    """From the images of every class; None where there are none. Of equally frequent classes the first by name."""
    total = sum(images.values())
    if not total:
        return None
    name = min(images, key=lambda label: (-images[label], label))
    return MajorityBaseline(name=name, share=images[name] / total)
