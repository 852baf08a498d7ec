"""The page of accuracies, from measurements that are made up."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import record_files
from engine.bench.accuracy_page import chosen, write_accuracy
from engine.bench.measurements import ABOUT, About, Answers, Key, Measurement, Measurements, Recipe
from engine.bench.whole_tables import good_answers, outcomes_of
from engine.bench.workloads import DEFAULTS

RECIPE = Recipe(images=0, epochs=5, source="/somewhere/birds.zip", weights="/somewhere/brought.safetensors")
Point = tuple[float, float]


def measurement(
    contender: str, what: str, *, wrong: int, points: tuple[Point, ...], seed: int = 0, val: float = 0.5
) -> Measurement:
    answers = Answers(train=60, images=100, wrong=tuple(range(wrong)), log_loss=wrong / 100, points=points)
    key = Key(contender=contender, what=what, repetition=seed, recipe=RECIPE, whole=True)
    return Measurement(key=key, seconds=points[-1][0], accuracy=val, answers=answers)


def made(seed: int) -> list[Measurement]:
    return [
        measurement("fastai", "fine_tune", wrong=20, points=((10, 0.6), (40, 0.8)), seed=seed),
        measurement("classic", "linear_probe", wrong=9, points=((9, 0.5), (20, 0.895), (60, 0.91)), seed=seed),
        measurement("sklearn", "logistic_regression", wrong=10, points=((8, 0.9),), seed=seed),
        measurement(DEFAULTS, "linear_probe", wrong=10, points=((2 + seed, 0.9),), seed=seed, val=0.91),
        measurement(DEFAULTS, "last_block", wrong=10, points=((5, 0.9),), seed=seed, val=0.9),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    measurements = Measurements(tmp_path)
    for seed in (0, 1):
        for each in made(seed):
            measurements.add(each)
    about = About(command="python -m engine bench", date="2026-01-01", machine="A machine", side=224, recipe=RECIPE)
    record_files.write(tmp_path / ABOUT, about)
    return tmp_path


def test_the_page_shows_what_was_measured(folder: Path) -> None:
    text = write_accuracy(folder, folder / "accuracy.md").read_text()
    for row in (
        "birds | 60 | 100 | 2",
        "Thaw `linear_probe` | 90.0 | 90.0",
        "fastai `fine_tune` | 80.0 | 80.0",
        "Thaw, chosen by validation | `linear_probe`",
        "the default probe against scikit-learn | +0.0 | ≥ -0.3 met | 0.31 | ≤ 1 met",
        "the chosen strategy against fastai | +10.0 | ≥ +2.0 met | 0.06 | ≤ 0.5 met",
        "datasets on which fastai is ahead beyond the interval | 0 | 0 met | – | –",
    ):
        assert f"| {row} |\n" in text, row
    (gap,) = [line for line in text.splitlines() if line.startswith("| chosen − fastai")]
    assert "+10.0 (+" in gap, "every image that only one got right speaks for Thaw"
    assert "/somewhere" not in text and "`brought.safetensors`" in text


def test_what_was_measured_otherwise_stays_out(folder: Path) -> None:
    other = measurement("fastai", "fine_tune", wrong=0, points=((1, 1.0),), seed=2)
    key = replace(other.key, recipe=replace(RECIPE, processor="avx2"))
    Measurements(folder).add(replace(other, key=key))
    assert "fastai `fine_tune` | 80.0 | 80.0" in write_accuracy(folder, folder / "accuracy.md").read_text()


def test_thaw_is_chosen_by_validation_and_not_by_the_test() -> None:
    runs = [*made(0), measurement(DEFAULTS, "full_finetune", wrong=0, points=((30, 1.0),), val=0.7)]
    assert chosen(outcomes_of(runs), "birds") == (DEFAULTS, "linear_probe")
    assert chosen(outcomes_of(runs[:3]), "birds") is None


def test_a_good_answer_is_within_a_point_of_the_best_that_anybody_reached() -> None:
    text = good_answers([*made(0), *made(1)])
    for row in (
        "Thaw `linear_probe` | 2.5",
        "notebooks, head only | 60.0",
        "fastai `fine_tune` | (80.0 % by 40.0)",
        "scikit-learn, logistic regression | 8.0",
        "the soonest of the notebooks / Thaw `linear_probe` (target: ≥ 10) | **24.0**",
        "fastai / Thaw `linear_probe` (target: ≥ 10) | **> 16.0**",
    ):
        assert f"| {row} |\n" in text, row
    assert good_answers([]) == ""
