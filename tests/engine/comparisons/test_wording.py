"""The sentences of a judgement: they say what the numbers say and no more."""

import re
from dataclasses import replace

import pytest

from engine.comparisons import wording
from engine.comparisons.data_size import Point
from engine.evaluation.verdict import judge
from tests.engine.evaluation.test_verdict import exactly, many


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


def test_the_cheapest_that_is_not_worse_is_advised() -> None:
    verdict = judge([exactly("A", 95, seconds=80), exactly("B", 94, seconds=12), exactly("C", 70, seconds=1)])
    advice = "The cheapest of those not shown to be worse is B: 12 s of training instead of 80 s."
    assert wording.wording(verdict).advice == advice
    alone = replace(verdict, not_worse=("A",), cheapest="A")
    assert wording.wording(alone).advice == "Take A: every other strategy is shown to be worse."
    assert "it is also the one that validation chose" in wording.wording(replace(verdict, cheapest="A")).advice


def test_without_test_images_the_choice_is_called_flattered() -> None:
    entrants = [replace(exactly(name, 90), correct_test=None, epochs=20) for name in "AB"]
    verdict = judge(entrants)
    assert "choosing among 2 strategies and 20 epochs on these 100 images" in wording.wording(verdict).flattery
    assert wording.wording(verdict).sentences[0].startswith("Validation chose A: 90.0 %. No test images judged it")
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
    for verdict in (judge(tested), judge([replace(entrant, correct_test=None) for entrant in tested])):
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
