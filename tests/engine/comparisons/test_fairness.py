"""Fairness: what no strategy should win by is named with both values; what belongs to a strategy is not."""

import dataclasses
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from engine.comparisons.fairness import deviations
from engine.comparisons.judgement import Exclusion
from engine.comparisons.wording import exclusion_sentence
from engine.events import DatasetVersion, Started, StartedPhase
from engine.runconfig import RunConfig


def reasons(runs: Mapping[str, RunConfig], started: Mapping[str, Started | None]) -> dict[str, str]:
    """In words, as they are shown."""
    odd = deviations(runs, started)
    return {
        run: exclusion_sentence(Exclusion(kind="not comparable", deviations=differing))
        for run, differing in odd.items()
    }


def configs(**differing: object) -> dict[str, RunConfig]:
    """Three runs alike, and one that differs."""
    usual = RunConfig(dataset="d", backbone="resnet18", epochs=4, views=2)
    strategies = ("linear_probe_steps", "last_block", "full_finetune")
    alike = {name: dataclasses.replace(usual, strategy=name) for name in strategies}
    return {**alike, "odd": dataclasses.replace(usual, **{"strategy": "bias_norm", **differing})}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({"image_size": 64}, "Image size is 64 here and the weights' own"),
        ({"epochs": 9}, "Epochs is 9 here and 4"),
        ({"views": 0}, "Augmented views is none here and 2"),
        ({"augment": "trivial"}, "Augmentation is trivial here and crop"),
        ({"data_seed": 3}, "View seed is 3 here and 0"),
        ({"preprocessing": "half"}, "Preprocessing is half here and weights"),
        ({"select": "loss"}, "Best epoch by is loss here and accuracy"),
        ({"max_minutes": 1.5}, "Time budget in minutes is 1.5 here and none"),
        ({"patience": 2}, "Early stopping patience is 2 here and automatic"),
        ({"phases": "head | 2; layer4 | 4"}, "Epochs is 6 here and 4"),
        ({"dataset": "other"}, "Dataset is other here and d"),
    ],
)
def test_what_no_strategy_should_win_by_is_named(differing: dict[str, object], words: str):
    assert reasons(configs(**differing), {}) == {"odd": f"{words} in most of the others."}


@pytest.mark.parametrize(
    "fair", [{"lr": 0.1}, {"seed": 3}, {"batch_norm": "running"}, {"phases": "head | 2; layer4 | 2"}, {"ema": 0.9}]
)
def test_what_belongs_to_a_strategy_is_fair(fair: dict[str, object]):
    assert reasons(configs(**fair), {}) == {}


def test_automatic_epochs_are_one_rule_whatever_they_come_to():
    runs = {name: dataclasses.replace(config, epochs=0) for name, config in configs().items()}
    shorter = Started(device="cpu", phases=(StartedPhase(epochs=9),))
    longer = Started(device="cpu", phases=(StartedPhase(epochs=20), StartedPhase(epochs=23)))
    assert reasons(runs, {**dict.fromkeys(runs, shorter), "odd": longer}) == {}
    runs["odd"] = dataclasses.replace(runs["odd"], epochs=9)
    assert reasons(runs, dict.fromkeys(runs, shorter)) == {
        "odd": "Epochs is 9 here and automatic in most of the others."
    }


def test_views_that_nobody_sees_do_not_matter():
    runs = {name: dataclasses.replace(config, views=0) for name, config in configs(data_seed=3, augment="rand").items()}
    assert reasons(runs, {}) == {}


def test_data_and_preparation_are_held_against_what_the_runs_really_had():
    runs = configs()
    data = DatasetVersion(id="d", name="d", fingerprint="a" * 16)
    usual = Started(device="cpu", dataset=data, preprocessing={"crop": 32}, phases=(StartedPhase(epochs=4),))
    started: dict[str, Started | None] = dict.fromkeys(runs, usual)
    assert reasons(runs, {**started, "odd": None}) == {}
    cropped = Started(device="cpu", preprocessing={"crop": 64})
    other = replace(usual, dataset=replace(data, fingerprint="b" * 16), preprocessing={"crop": 64})
    exclusion_sentence = reasons(runs, {**started, "odd": other})["odd"]
    assert (
        "images and split is bbbbbbbb here and aaaaaaaa" in exclusion_sentence
        and "images (crop) is 64 here and 32" in exclusion_sentence
    )
    resized = {**runs, "odd": dataclasses.replace(runs["odd"], image_size=64)}
    assert reasons(resized, {**started, "odd": cropped})["odd"].startswith("Image size is 64 here and the weights'")
    assert "(crop)" not in reasons(resized, {**started, "odd": other})["odd"], "said once"
    runs["odd"] = dataclasses.replace(runs["odd"], backbone="vit_b_16")  # prepares images in its own way
    assert reasons(runs, {**started, "odd": cropped}) == {}


def test_many_seeds_have_one_voice():
    runs = configs(epochs=9)
    seeds = {f"odd {seed}": dataclasses.replace(runs["odd"], seed=seed) for seed in range(20)}
    assert set(reasons({**runs, **seeds}, {})) == {"odd", *seeds}


def test_steps_of_others_are_not_held_against_what_is_solved():
    solved = {"strategy": "linear_probe", "epochs": 9, "tune": 3, "patience": 2, "max_minutes": 1.5, "select": "loss"}
    assert reasons(configs(**solved), {}) == {}
    assert list(reasons(configs(**solved, image_size=64), {})) == ["odd"]
