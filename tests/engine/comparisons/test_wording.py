"""The sentences of a judgement: they say what the numbers say and no more."""

import re
from dataclasses import replace

import numpy as np
import pytest

from engine.comparisons import advice_wording, wording
from engine.comparisons.data_size import Point
from engine.evaluation.verdict import Entrant, judge
from tests.engine.evaluation.test_verdict import entrant, exactly, many


def test_the_choice_the_rival_and_the_advice_are_told() -> None:
    said = wording.wording(judge([exactly("A", 60, val=95), exactly("B", 90, val=80)]))
    assert said.choice == "Validation chose A: 95.0 % on validation, 60.0 % on 100 test images."
    assert said.rivals[0].startswith("B is better than A by 30.0 points") and said.flattery == ""
    said = wording.wording(judge([exactly("A", 95, seconds=80), exactly("B", 94, seconds=12), exactly("C", 70)]))
    assert said.rivals[0].startswith("No difference shown between A and B; up to ")
    assert "more test images would show a difference of 2." in said.rivals[0]
    assert "more often" not in said.notes[0] and "one seed" in said.notes[0]
    equals = wording.wording(judge([exactly(name, 900, 1000) for name in "AB"]))
    assert "equivalent: they differ by no more than 2 points" in equals.rivals[0]
    assert wording.wording(judge([exactly("A", 90)])).advice.startswith("One strategy alone cannot be compared")


@pytest.mark.parametrize(
    ("entrants", "said", "shown"),
    [
        (
            (exactly("A", 46, 48, seconds=80), exactly("B", 45, 48, seconds=12)),
            "Take A for now: it was right on 46 of 48 new images, B on 45; 48 images are too few to tell whether B is "
            "as good.",
            "These 48 test images cannot tell whether B (12 s of training instead of 80 s) is as good as A within 2 "
            "points: it may lose up to 9.0. About 1,200 more could. Until then take A, which validation chose.",
        ),
        (
            (exactly("A", 46, 48, seconds=1), exactly("B", 46, 48, seconds=12, val=45)),
            "Take A for now: it was right on 46 of 48 new images, as many as B; 48 images are too few to tell "
            "whether B is better.",
            "These 48 test images cannot tell whether B is better than A by more than 2 points: it may be by up to "
            "5.7. About 740 more could. Until then take A, which validation chose.",
        ),
        (
            (exactly("A", 951, 1000, seconds=80), exactly("B", 950, 1000, seconds=12)),
            "Take B: it was right on 950 of 1,000 new images, A on 951, and it takes 12 s of training instead of 80 s.",
            "B is as good as A, which validation chose, within 2 points: it is shown to lose at most 0.5, for 12 s of "
            "training instead of 80 s.",
        ),
        (
            (exactly("A", 95, seconds=80), exactly("B", 60, seconds=12)),
            "Take A: it was right on 95 of 100 new images, and every other strategy on fewer.",
            "Take A: every other strategy is shown to be worse.",
        ),
        (
            (exactly("A", 951, 1000, seconds=1), exactly("B", 950, 1000, seconds=12)),
            "Take A: it was right on 951 of 1,000 new images, B on 950.",
            "Shown: no other strategy is better than A by more than 0.3 points.",
        ),
        (
            (exactly("A", 60, val=95, seconds=1), exactly("B", 90, val=80, seconds=2)),
            "Take B: it was right on 90 of 100 new images, A on 60.",
            "Validation chose A, but B is shown to be better, by 20.0 points or more.",
        ),
        (
            (exactly("A", 90),),
            "A was right on 90 of 100 new images; there is nothing to compare it with.",
            "One strategy alone cannot be compared; train another on the same split.",
        ),
    ],
)
def test_the_first_line_is_in_everyday_words_and_the_second_says_what_is_shown(
    entrants: tuple[Entrant, ...], said: str, shown: str
) -> None:
    verdict = judge(entrants)
    assert (advice_wording.take(verdict), wording.wording(verdict).advice) == (said, shown)


def test_images_that_could_tell_are_named_only_where_images_can() -> None:
    verdict = judge([exactly("A", 46, 48, seconds=80), exactly("B", 45, 48, seconds=12)])
    assert verdict.advice.rival
    for more, everyday, exact in (
        (None, "it takes more seeds to tell", "More seeds could, more images alone could not."),
        (0, "that is too close to tell", "Others, or more, could."),
    ):
        advice = replace(verdict.advice, rival=replace(verdict.advice.rival, more_images=more))
        hidden = replace(verdict, advice=advice)
        assert everyday in advice_wording.take(hidden) and exact in wording.wording(hidden).advice


def test_seeds_that_were_right_on_different_numbers_are_about() -> None:
    seeds = np.arange(50) < np.array([[45], [46]])
    verdict = judge([entrant("A", seeds, seeds, 9.0), entrant("B", seeds, ~seeds)])
    assert "about 46 of 50 new images, as many as B;" in advice_wording.take(verdict)


def test_what_is_solved_has_run_once_and_is_not_one_seed_of_many() -> None:
    one, several = np.arange(100) < 90, np.arange(100) < np.array([[95], [96]])
    solved = replace(entrant("A", one[None], one[None]), solved=True)
    notes = wording.wording(judge([solved, entrant("B", several, several)])).notes
    assert notes == ("Left nothing to chance: A. Another seed would give the same, so one run is all of it.",)
    notes = wording.wording(judge([solved, entrant("B", several[:1], several[:1])])).notes
    assert notes[1].startswith("Every other strategy ran with one seed")


def test_without_test_images_the_choice_is_called_flattered() -> None:
    entrants = [replace(exactly(name, 90), correct_test=None, epochs=20) for name in "AB"]
    verdict = judge(entrants)
    assert "choosing among 2 strategies and 20 epochs on these 100 images" in wording.wording(verdict).flattery
    assert wording.wording(verdict).statistics[0].startswith("Validation chose A: 90.0 %. No test images judged it")
    assert "right on 90 of 100 validation images (of new ones expect fewer)" in advice_wording.take(verdict)
    partly = wording.wording(judge([entrants[0], exactly("B", 90)]))
    assert "Judged on validation images, because there are no test predictions of: A." in partly.notes


def test_what_more_seeds_can_show_is_told() -> None:
    verdict = judge([exactly("A", 95), exactly("B", 94)])
    hidden = replace(verdict, rivals=(replace(verdict.rivals[0], more_images=None),), single_seed=("B",))
    said = wording.wording(hidden)
    assert "more test images alone would not show a difference of 2, more seeds can" in said.rivals[0]
    assert said.notes[0].startswith("One seed only: B.")


@pytest.mark.parametrize("seed", range(12))
def test_words_never_contradict_numbers(seed: int) -> None:
    tested = many(seed)
    for verdict in (judge(tested), judge([replace(each, correct_test=None) for each in tested])):
        for rival, sentence in zip(verdict.rivals, wording.wording(verdict).rivals, strict=True):
            assert re.search(rf"\b{rival.name}\b", sentence)
            assert (rival.outcome in ("better", "worse")) == (" is better than " in sentence)
            first = rival.name if rival.outcome == "worse" else verdict.chosen
            assert rival.outcome not in ("better", "worse") or sentence.startswith(f"{first} is better")
            hidden = re.search(r"up to ([\d.]+) points", sentence)
            assert hidden is None or float(hidden[1]) >= rival.hidden - 1e-6
            assert "0.0 points" not in sentence and "(0.0 to" not in sentence


def points(**curves: tuple[float, ...]) -> list[Point]:
    return [
        Point(label=label, share=share, images=share * 10, accuracy=accuracy, low=0.0, high=1.0, runs=3, split="test")
        for label, curve in curves.items()
        for share, accuracy in zip((10, 50, 100), curve, strict=True)
    ]


def test_the_words_name_who_leads_where_and_who_still_gains() -> None:
    crossing = wording.data_sizes(points(A=(0.7, 0.75, 0.76), B=(0.5, 0.7, 0.8)))
    assert crossing.startswith("A is ahead with 100 images, B with 1,000.") and "B gained most: +10.0" in crossing
    same = wording.data_sizes(points(A=(0.7, 0.8, 0.9), B=(0.5, 0.6, 0.65)))
    assert same.startswith("A is ahead with every number of images, from 100 to 1,000.")
    assert wording.data_sizes([]) == ""
