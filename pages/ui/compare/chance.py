"""Guessing: what always naming the most frequent class would reach, beside what the chosen strategy reaches, with names
for a page.

Not here: the arithmetic and the sentences (engine.evaluation.majority_baseline), one strategy against another (the
verdict).
"""

from dataclasses import replace

import numpy as np

from engine.evaluation import majority_baseline
from engine.evaluation.majority_baseline import Guess
from pages.ui import text
from pages.ui.compare.evidence import Judged


def guess(judged: Judged) -> Guess | None:
    """None while there is nothing to judge."""
    counts = np.bincount(judged.labels, minlength=len(judged.classes)).tolist()
    found = majority_baseline.guess(dict(zip(judged.classes, counts, strict=True)))
    return None if found is None else replace(found, name=text.short(found.name))


def baseline(judged: Judged) -> str:
    """What guessing reaches, as a sentence; nothing while there is nothing to judge."""
    found = guess(judged)
    return "" if found is None else majority_baseline.baseline(found)


def doubt(judged: Judged) -> str:
    """Why the chosen strategy may have learned nothing; nothing when it is shown to do better than guessing."""
    found, said = guess(judged), judged.judgement.verdict
    if found is None or said is None or said.chosen not in judged.reach:
        return ""
    return majority_baseline.doubt(found, text.short(said.chosen), judged.reach[said.chosen], said.optimism)
