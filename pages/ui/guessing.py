"""Guessing: what always naming the most frequent class would reach, beside what the chosen strategy reaches.

Not here: one strategy against another (the verdict).
"""

from dataclasses import dataclass

import numpy as np

from pages.ui import text
from pages.ui.judged import Judged


@dataclass(frozen=True, kw_only=True)
class Guess:
    """The most frequent class of the images that judge, and its share of them."""

    name: str
    share: float


def guess(judged: Judged) -> Guess | None:
    """None while there is nothing to judge."""
    if not len(judged.labels):
        return None
    counts = np.bincount(judged.labels, minlength=len(judged.classes))
    return Guess(name=judged.classes[int(counts.argmax())], share=float(counts.max() / counts.sum()))


def baseline(judged: Judged) -> str:
    """What guessing reaches, as a sentence; nothing while there is nothing to judge."""
    found = guess(judged)
    return (
        "" if found is None else f"Always answering {text.short(found.name)} would be right on {text.percent(found.share)} of these images."
    )


def doubt(judged: Judged) -> str:
    """Why the chosen strategy may have learned nothing; nothing when it is shown to do better than guessing.

    Its 95 % interval has to lie above the share of the most frequent class; what choosing can have flattered it by is taken off first.
    """
    found, said = guess(judged), judged.judgement.verdict
    if found is None or said is None or said.chosen not in judged.reach:
        return ""
    low, high = judged.reach[said.chosen]
    if low - (said.optimism or 0.0) / 100 > found.share:
        return ""
    reach = f"{100 * low:.1f} to {text.percent(high)}"
    return (
        f"{text.short(said.chosen)} is not shown to be better than guessing. {baseline(judged)} Its own 95 % interval is {reach}. "
        "Train longer, start from pretrained weights, or bring more images; until then the rest says little."
    )
