"""Wording: a judgement as English sentences a person can act on, which say no more than the numbers do; the only
catalogue of them.

Names come as they are; whoever renders them escapes them. Not here: the numbers (judgement).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from engine.comparisons import advice_wording
from engine.comparisons.amounts import at_most, counted, in_points, roughly, span
from engine.comparisons.data_size import Point
from engine.comparisons.fairness import Deviation, Trait
from engine.comparisons.judgement import Exclusion, Judgement, KeptOut
from engine.config import options
from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.majority_baseline import MajorityBaseline
from engine.evaluation.rivals import Rival
from engine.evaluation.verdict import Verdict
from engine.options import Value

_OBSTACLES = {
    None: "",
    "nothing finished": "No run of this comparison has finished yet, so there is nothing to judge.",
    "other images": "The runs of each strategy saw different validation images, so there is nothing to judge. "
    "Compare on one dataset again.",
    "nothing counts": "No run that has finished counts, so there is nothing to judge; the reasons follow.",
    "no validation images": "Runs have finished, but validation is what chooses among strategies and the dataset has "
    "no validation images with labels. Import it again with a share for validation, such as 70/15/15, and compare on "
    "that.",
}
_ABSENT = {"image_size": "the weights' own", "patience": "automatic", "max_minutes": "none", "views": "none"}
"""What an option that is 0 means."""
FEW_GROUPS = 10
"""Below this a word of caution is due."""


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What is said of a verdict, by part; "" and () where there is nothing to say."""

    advice: str
    choice: str
    flattery: str
    firmness: str
    rivals: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def statistics(self) -> tuple[str, ...]:
        """What the advice rests on, in the order in which it is read."""
        choice = f"{self.choice} {self.flattery}".rstrip()
        return tuple(filter(None, (choice, *self.rivals, self.firmness, *self.notes)))


def sentences(judgement: Judgement) -> tuple[str, ...]:
    """In everyday words what to take, what is shown of that, what it rests on, and what is not in it."""
    said = (headline(judgement), advice(judgement), *statistics(judgement), *left_out(judgement))
    return tuple(filter(None, said))


def headline(judgement: Judgement) -> str:
    """What to take and how often it was right, or why there is no verdict."""
    verdict = judgement.verdict
    if verdict is None:
        return obstacle(judgement)
    said = advice_wording.take_none(verdict, judgement.baseline) if judgement.doubtful else advice_wording.take(verdict)
    return f"So far: {said}" if judgement.to_come else said


def advice(judgement: Judgement) -> str:
    """What is shown of the one to take, or what would show it; why nothing is learnt where guessing is not beaten."""
    verdict = judgement.verdict
    return doubt(judgement) or (wording(verdict).advice if verdict else "")


def statistics(judgement: Judgement) -> tuple[str, ...]:
    """What the advice rests on."""
    return wording(judgement.verdict).statistics if judgement.verdict else ()


def left_out(judgement: Judgement) -> tuple[str, ...]:
    """What was kept out, and what is still to come."""
    kept_out = [f"Not judged: {kept_out_sentence(kept_out)}" for kept_out in judgement.kept_out]
    return (*kept_out, *filter(None, [to_come(judgement)]))


def wording(verdict: Verdict) -> Wording:
    """What is shown of the one to take, the choice, how firm it is, one sentence for each rival, and what to keep in
    mind."""
    return Wording(
        advice=advice_wording.worth(verdict),
        choice=_choice(verdict),
        flattery=_flattery(verdict),
        firmness=_firmness(verdict),
        rivals=tuple(_against(verdict, rival) for rival in verdict.rivals),
        notes=_notes(verdict),
    )


def obstacle(judgement: Judgement) -> str:
    """Why there is no verdict, and what to do about it."""
    return _OBSTACLES[judgement.obstacle]


def kept_out_sentence(kept_out: KeptOut) -> str:
    return f"{kept_out.label} ({counted(kept_out.runs, 'run', 'runs')}). {exclusion_sentence(kept_out.exclusion)}"


def exclusion_sentence(exclusion: Exclusion) -> str:
    """Why a run is not judged."""
    if exclusion.kind == "failed":
        return f"It failed: {exclusion.error or 'nobody knows why'}"
    if exclusion.kind == "stopped":
        return "It was stopped before it had finished. Resume it to have it counted."
    if exclusion.kind == "predictions missing":
        return "Its predictions are missing from its folder. Train it again."
    return " ".join(_deviation(deviation) for deviation in exclusion.deviations)


def to_come(judgement: Judgement) -> str:
    left = judgement.to_come
    have = "has" if left == 1 else "have"
    return f"{left} of {judgement.total} runs {have} not finished yet; the verdict may change." if left else ""


def baseline_sentence(baseline: MajorityBaseline | None) -> str:
    """What guessing reaches."""
    if baseline is None:
        return ""
    return f"Always answering {baseline.name} would be right on {100 * baseline.share:.1f} % of these images."


def doubt(judgement: Judgement) -> str:
    """Why the strategy that validation chose may have learned nothing; "" when it is shown to beat guessing."""
    if judgement.verdict is None or not judgement.doubtful:
        return ""
    low, high = judgement.intervals[judgement.verdict.chosen]
    return (
        f"{judgement.verdict.chosen} is not shown to be better than guessing. {baseline_sentence(judgement.baseline)} "
        f"Its own 95 % interval is {100 * low:.1f} to {100 * high:.1f} %. Train longer, start from pretrained weights, "
        "or bring more images; until then the rest says little."
    )


def data_sizes(points: Sequence[Point]) -> str:
    """Which strategy leads with how many images, and who still gains; without a claim that a difference is real."""
    if not points:
        return ""
    sizes = {
        share: [point for point in points if point.share == share] for share in sorted({each.share for each in points})
    }
    leaders = [max(size, key=lambda point: point.accuracy) for size in sizes.values()]
    first, last = leaders[0], leaders[-1]
    if len({point.label for point in leaders}) == 1:
        lead = f"{last.label} is ahead with every number of images, from {first.images:,} to {last.images:,}."
    else:
        lead = f"{first.label} is ahead with {first.images:,} images, {last.label} with {last.images:,}."
    *_, fewer, most = [0, *sizes]
    before, after = ({point.label: point.accuracy for point in sizes.get(share, ())} for share in (fewer, most))
    gains = {label: after[label] - before[label] for label in after if label in before}
    if not gains:
        return lead
    rising = max(gains, key=gains.__getitem__)
    return (
        f"{lead} From {fewer} % to {most} % of the images {rising} gained most: {100 * gains[rising]:+.1f} "
        "points. Curves that still rise say that more images would help; intervals that overlap say that the order "
        "may be chance."
    )


def _choice(verdict: Verdict) -> str:
    accuracy = f"{100 * verdict.accuracy_val:.1f} %"
    if verdict.accuracy_test is not None:
        accuracy += f" on validation, {100 * verdict.accuracy_test:.1f} % on {verdict.images} test images"
    return f"Validation chose {verdict.chosen}: {accuracy}."


def _firmness(verdict: Verdict) -> str:
    share = f"{100 * verdict.chosen_share:.0f} %" if verdict.chosen_share <= 0.99 else "more than 99 %"
    sentence = f"On validation images and seeds drawn again, {verdict.chosen} would be chosen {share} of the time."
    return sentence if verdict.rivals else ""


def _flattery(verdict: Verdict) -> str:
    if verdict.optimism is None:
        return ""
    tried = counted(1 + len(verdict.rivals), "strategy", "strategies")
    tried += f" and {verdict.tried_epochs} epochs" if verdict.tried_epochs > 1 else ""
    return (
        f"No test images judged it; choosing among {tried} on these {verdict.images} images can have flattered it by "
        f"about {in_points(verdict.optimism)} points."
    )


def _against(verdict: Verdict, rival: Rival) -> str:
    chosen, other = verdict.chosen, rival.name
    if rival.outcome == "better":
        reach = span(rival.low, rival.high)
        return f"{chosen} is better than {other} by {in_points(rival.difference)} points ({reach})."
    if rival.outcome == "worse":
        reach = span(-rival.high, -rival.low)
        return f"{other} is better than {chosen} by {in_points(-rival.difference)} points ({reach})."
    if rival.outcome == "equivalent":
        return (
            f"{chosen} and {other} are equivalent: they differ by no more than {verdict.margin:g} points "
            f"({in_points(rival.low)} to {in_points(rival.high)})."
        )
    return (
        f"No difference shown between {chosen} and {other}; up to {at_most(rival.hidden)} points could be "
        f"hidden{_more(verdict, rival)}."
    )


def _more(verdict: Verdict, rival: Rival) -> str:
    kind = SPLIT_NAMES[verdict.judged_on]
    if rival.more_images is None:
        return f"; more {kind} images alone would not show a difference of {verdict.margin:g}, more seeds can"
    if rival.more_images == 0:
        return ""
    return f"; about {roughly(rival.more_images)} more {kind} images would show a difference of {verdict.margin:g}"


def _notes(verdict: Verdict) -> tuple[str, ...]:
    strategies = 1 + len(verdict.rivals)
    single, solved, untested = map(", ".join, (verdict.single_seed, verdict.solved, verdict.untested))
    notes = [_grouped(verdict)] if verdict.groups else []
    if solved:
        notes.append(f"Left nothing to chance: {solved}. Another seed would give the same, so one run is all of it.")
    if single and len(verdict.single_seed) + len(verdict.solved) == strategies:
        whose = "Every other strategy" if solved else "Every strategy"
        notes.append(
            f"{whose} ran with one seed: this compares these trained models; another seed may change the order."
        )
    elif single:
        notes.append(
            f"One seed only: {single}. How much another seed changes is taken from the strategies that ran more often."
        )
    if 0 < len(verdict.untested) < strategies:
        notes.append(f"Judged on validation images, because there are no test predictions of: {untested}.")
    return tuple(notes)


def _grouped(verdict: Verdict) -> str:
    few = " So few groups tell little of new ones." if verdict.groups and verdict.groups < FEW_GROUPS else ""
    return (
        f"These {verdict.images:,} {SPLIT_NAMES[verdict.judged_on]} images come in {verdict.groups:,} groups; what is "
        f"shown is shown by groups, because images of a group are right or wrong together.{few}"
    )


def _deviation(deviation: Deviation) -> str:
    trait = deviation.trait
    mine, usual = (_value(trait, value) for value in (deviation.value, deviation.usual))
    return f"{_trait(trait)} is {mine} here and {usual} in most of the others."


def _trait(trait: Trait) -> str:
    if trait.name == "fingerprint":
        return "The fingerprint of images and split"
    if trait.name == "preparation":
        return f"The preparation of images ({trait.part})"
    return _labels().get(trait.name, trait.name.capitalize())


def _value(trait: Trait, value: Value) -> str:
    if trait.name == "fingerprint":
        return str(value)[:8]
    if not value:
        return _ABSENT.get(trait.name, "0")
    return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def _labels() -> dict[str, str]:
    """What a form calls an option."""
    return {option.name: option.label for option in options()}
