"""Advice wording: what to take as English sentences: in everyday words, and what is shown of it.

A part of the catalogue in `wording`, which is what others ask. Not here: the advice itself (evaluation.advice).
"""

from collections.abc import Mapping

from engine.comparisons.amounts import at_least, at_most, counted, duration, roughly
from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.advice import Reason
from engine.evaluation.majority_baseline import MajorityBaseline
from engine.evaluation.rivals import Rival
from engine.evaluation.verdict import Verdict

_QUESTIONS: Mapping[Reason, str] = {"cheaper may do": "as good", "dearer may do": "better"}
"""What is not known of the rival of an advice."""


def take(verdict: Verdict) -> str:
    """What to take, as said to somebody who has not heard of statistics."""
    taken, rival, reason = verdict.advice.take, verdict.advice.rival, verdict.advice.reason
    right, images = _right(verdict, taken), _images(verdict)
    if reason == "alone":
        return f"{taken} was right on {right} of {images}; there is nothing to compare it with."
    take = f"Take {taken}{'' if verdict.advice.shown else ' for now'}: it was right on {right} of {images}"
    if rival is None:
        return f"{take}, and every other strategy on fewer."
    other = verdict.chosen if taken == rival.name else rival.name
    theirs = _right(verdict, other)
    beside = f"{take}, {'as many as ' + other if theirs == right else f'{other} on {theirs}'}"
    if reason == "rival is as good":
        return f"{beside}, and it takes {_saving(verdict, taken)}."
    if verdict.advice.shown:
        return f"{beside}."
    return f"{beside}; {_too_few(verdict, rival)} to tell whether {other} is {_QUESTIONS[reason]}."


def take_none(verdict: Verdict, baseline: MajorityBaseline | None) -> str:
    """That not even the best is better than guessing."""
    right, images = _right(verdict, verdict.chosen), _images(verdict)
    name, share = (baseline.name, baseline.share) if baseline else ("", 0.0)
    return (
        f"Take none of them yet: {verdict.chosen} was right on {right} of {images}, and always answering {name} would "
        f"be right on {round(share * verdict.images):,}."
    )


def worth(verdict: Verdict) -> str:
    """What is shown of the one to take, or what would show it."""
    taken, rival, reason = verdict.advice.take, verdict.advice.rival, verdict.advice.reason
    if reason == "alone":
        return "One strategy alone cannot be compared; train another on the same split."
    if rival is None:
        return f"Take {taken}: every other strategy is shown to be worse."
    if reason == "rival is better":
        least = at_least(-rival.high)
        return f"Validation chose {verdict.chosen}, but {taken} is shown to be better, by {least} points or more."
    if reason == "none is better":
        return f"Shown: no other strategy is better than {taken} by more than {at_most(-rival.low)} points."
    if reason == "rival is as good":
        return (
            f"{taken} is as good as {verdict.chosen}, which validation chose, within {verdict.margin:g} points: it is "
            f"shown to lose at most {at_most(rival.high)}, for {_saving(verdict, taken)}."
        )
    return _undecided(verdict, rival)


def _undecided(verdict: Verdict, rival: Rival) -> str:
    """What these images cannot tell, what could, and what to take meanwhile."""
    chosen, kind, margin = verdict.chosen, SPLIT_NAMES[verdict.judged_on], f"{verdict.margin:g} points"
    if verdict.advice.reason == "cheaper may do":
        question = f"{rival.name} ({_saving(verdict, rival.name)}) is as good as {chosen} within {margin}"
        reach = f"it may lose up to {at_most(rival.high)}"
    else:
        question = f"{rival.name} is better than {chosen} by more than {margin}"
        reach = f"it may be by up to {at_most(-rival.low)}"
    if rival.more_images is None:
        remedy = "More seeds could, more images alone could not."
    else:
        more = f"About {roughly(rival.more_images)} more" if rival.more_images else "Others, or more,"
        remedy = f"{more} could."
    these = f"These {counted(verdict.images, f'{kind} image', f'{kind} images')}"
    return (
        f"{these} cannot tell whether {question}: {reach}. {remedy} Until then take {chosen}, which validation chose."
    )


def _saving(verdict: Verdict, cheaper: str) -> str:
    return f"{duration(verdict.seconds[cheaper])} of training instead of {duration(verdict.seconds[verdict.chosen])}"


def _too_few(verdict: Verdict, rival: Rival) -> str:
    if rival.more_images is None:
        return "it takes more seeds"
    return f"{verdict.images:,} images are too few" if rival.more_images else "that is too close"


def _right(verdict: Verdict, name: str) -> str:
    """On how many images; "about" where seeds were right on different numbers of them."""
    chosen = verdict.accuracy_val if verdict.accuracy_test is None else verdict.accuracy_test
    lost = {rival.name: rival.difference / 100 for rival in verdict.rivals}.get(name, 0.0)
    count = (chosen - lost) * verdict.images
    return f"{'' if abs(count - round(count)) < 1e-6 else 'about '}{round(count):,}"


def _images(verdict: Verdict) -> str:
    if verdict.judged_on == "test":
        return f"{verdict.images:,} new {'image' if verdict.images == 1 else 'images'}"
    return f"{counted(verdict.images, 'validation image', 'validation images')} (of new ones expect fewer)"
