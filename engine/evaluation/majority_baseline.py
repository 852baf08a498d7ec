"""Guessing: what always naming the most frequent class would reach, and whether a strategy is shown to reach more.

Names are printed as they come; whoever renders them escapes them. Not here: one strategy against another (verdict).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Guess:
    """The most frequent class of the images that judge, and its share of them."""

    name: str
    share: float


def guess(images: Mapping[str, int]) -> Guess | None:
    """From the number of images of every class; None where there are none. Of equally frequent classes the first by
    name."""
    total = sum(images.values())
    if not total:
        return None
    name = min(images, key=lambda label: (-images[label], label))
    return Guess(name=name, share=images[name] / total)


def baseline(found: Guess) -> str:
    """What guessing reaches, as a sentence."""
    return f"Always answering {found.name} would be right on {100 * found.share:.1f} % of these images."


def doubt(found: Guess, chosen: str, reach: tuple[float, float], optimism: float | None) -> str:
    """Why `chosen` may have learned nothing; "" when it is shown to do better than guessing.

    Its 95 % interval `reach` has to lie above the share of the most frequent class, once what choosing can have
    flattered it by, `optimism` in points, is taken off.
    """
    low, high = reach
    if low - (optimism or 0.0) / 100 > found.share:
        return ""
    interval = f"{100 * low:.1f} to {100 * high:.1f} %"
    return (
        f"{chosen} is not shown to be better than guessing. {baseline(found)} Its own 95 % interval is {interval}. "
        "Train longer, start from pretrained weights, or bring more images; until then the rest says little."
    )
