"""Guessing: what always naming the most frequent class would reach, and whether a strategy is shown to reach more.

Names are printed as they come; whoever renders them escapes them. Not here: one strategy against another (verdict).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Guess:
    """The most frequent class of the images that judge, and its share of them."""

    name: str
    share: float


def guess(labels: Sequence[str]) -> Guess | None:
    """None where there is nothing to judge; of equally frequent classes the first by name."""
    counts = Counter(labels)
    if not counts:
        return None
    name = min(counts, key=lambda label: (-counts[label], label))
    return Guess(name=name, share=counts[name] / len(labels))


def baseline(found: Guess) -> str:
    """What guessing reaches, as a sentence."""
    return f"Always answering {found.name} would be right on {100 * found.share:.1f} % of these images."


def doubt(found: Guess, chosen: str, reach: tuple[float, float], optimism: float | None) -> str:
    """Why `chosen` may have learned nothing; "" when it is shown to do better than guessing.

    Its 95 % interval `reach` has to lie above the share of the most frequent class, once what choosing can have flattered it by,
    `optimism` in points, is taken off.
    """
    low, high = reach
    if low - (optimism or 0.0) / 100 > found.share:
        return ""
    interval = f"{100 * low:.1f} to {100 * high:.1f} %"
    return (
        f"{chosen} is not shown to be better than guessing. {baseline(found)} Its own 95 % interval is {interval}. "
        "Train longer, start from pretrained weights, or bring more images; until then the rest says little."
    )
