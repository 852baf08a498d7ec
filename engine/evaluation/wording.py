"""Wording: a verdict as sentences a person can act on. Every sentence follows from the numbers and says no more than
they do.

Names are printed as they come; whoever renders them escapes them. Not here: the numbers (verdict).
"""

import math

from engine.evaluation.verdict import Rival, Verdict


def sentences(verdict: Verdict) -> tuple[str, ...]:
    """The verdict in plain words: the choice, one sentence for each rival, what to take, and what to keep in mind."""
    return (
        _choice(verdict),
        *_firmness(verdict),
        *(_against(verdict, rival) for rival in verdict.rivals),
        *_advice(verdict),
        *verdict.notes,
    )


def _choice(verdict: Verdict) -> str:
    accuracy = f"{100 * verdict.accuracy_val:.1f} %"
    if verdict.accuracy_test is not None:
        test = f"{100 * verdict.accuracy_test:.1f} % on {verdict.images} test images"
        return f"Validation chose {verdict.chosen}: {accuracy} on validation, {test}."
    strategies = _count(1 + len(verdict.rivals), "strategy", "strategies")
    tried = strategies + (f" and {verdict.tried_epochs} epochs" if verdict.tried_epochs > 1 else "")
    return (
        f"Validation chose {verdict.chosen}: {accuracy}. No test images judged it; choosing among {tried} on these "
        f"{verdict.images} images can have flattered it by about {_points(verdict.optimism or 0.0)} points."
    )


def _firmness(verdict: Verdict) -> tuple[str, ...]:
    if not verdict.rivals:
        return ()
    return (
        f"On validation images and seeds drawn again, {verdict.chosen} would be chosen "
        f"{_percent(verdict.chosen_share)} of the time.",
    )


def _against(verdict: Verdict, rival: Rival) -> str:
    if rival.outcome == "better":
        return (
            f"{verdict.chosen} is better than {rival.name} by {_points(rival.difference)} points "
            f"({_range(rival.low, rival.high)})."
        )
    if rival.outcome == "worse":
        return (
            f"{rival.name} is better than {verdict.chosen} by {_points(-rival.difference)} points "
            f"({_range(-rival.high, -rival.low)})."
        )
    if rival.outcome == "equivalent":
        return (
            f"{verdict.chosen} and {rival.name} are equivalent: they differ by no more than {verdict.margin:g} points "
            f"({_points(rival.low)} to {_points(rival.high)})."
        )
    hidden = math.ceil(10 * rival.hidden - 1e-9) / 10
    return (
        f"No difference shown between {verdict.chosen} and {rival.name}; up to {hidden:.1f} points could be "
        f"hidden{_more(verdict, rival)}."
    )


def _more(verdict: Verdict, rival: Rival) -> str:
    kind = "test" if verdict.judged_on == "test" else "validation"
    if rival.more_images is None:
        return f"; more {kind} images alone would not show a difference of {verdict.margin:g}, more seeds can"
    if rival.more_images == 0:
        return ""
    return f"; about {_about(rival.more_images)} more {kind} images would show a difference of {verdict.margin:g}"


def _advice(verdict: Verdict) -> tuple[str, ...]:
    if not verdict.rivals:
        return ("One strategy alone cannot be compared; train another on the same split.",)
    others = [name for name in verdict.not_worse if name != verdict.chosen]
    if not others:
        return (f"Take {verdict.chosen}: every other strategy is shown to be worse.",)
    cheapest = f"{verdict.cheapest}: {_seconds(verdict.seconds[verdict.cheapest])} of training"
    if verdict.cheapest == verdict.chosen:
        return (
            f"The cheapest of those not shown to be worse is {cheapest}; it is also the one that validation chose.",
        )
    return (
        f"The cheapest of those not shown to be worse is {cheapest} instead of "
        f"{_seconds(verdict.seconds[verdict.chosen])}.",
    )


def _points(value: float) -> str:
    """One decimal; a small difference from zero keeps a digit, so that nothing is better "by 0.0 points"."""
    return f"{value:.1g}" if 0 < abs(value) < 0.05 else f"{value:.1f}"


def _range(low: float, high: float) -> str:
    return f"{_points(low) if low > 0 else 'more than 0'} to {_points(high)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share <= 0.99 else "more than 99 %"


def _about(count: int) -> str:
    """Two digits, upwards: a planning number is no more exact than that."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // step) * step:,}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
