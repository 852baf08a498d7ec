"""What is suggested follows from the images a class, the weights and the probe, and can always be run."""

from pathlib import Path

import pytest

from engine.comparisons.suggestion import FEW, MANY, suggest
from engine.jobs import records
from engine.runconfig import RunConfig
from engine.training import budget
from engine.training.freezing import validate
from engine.workspace import Workspace
from tests.pictures import make_dataset

CONFIG = RunConfig(dataset="dataset-1", backbone="resnet18")


def suggested(
    each: int, monkeypatch: pytest.MonkeyPatch, *, weights: str = "default", unlike: bool = False
) -> set[str]:
    monkeypatch.setattr("engine.comparisons.suggestion.training_counts", lambda *_: ((each, each, 9 * each), 5))
    config = RunConfig(dataset="dataset-1", backbone="resnet18", weights=weights)
    made = suggest(config, Workspace(root=Path()), unlike=unlike)
    for name in made.strategies:
        validate(RunConfig(dataset="dataset-1", backbone="resnet18", weights=weights, strategy=name))
    return set(made.strategies)


def test_more_images_a_class_let_more_train(monkeypatch: pytest.MonkeyPatch) -> None:
    few, some, many = (suggested(each, monkeypatch) for each in (FEW - 1, FEW, MANY))
    assert "linear_probe" in few < some < many
    assert not few & {"last_block", "full_finetune"} and "full_finetune" not in some and "full_finetune" in many


def test_images_unlike_those_of_pretraining_let_more_train(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (FEW - 1, FEW):
        assert suggested(each, monkeypatch) < suggested(each, monkeypatch, unlike=True)


def test_random_weights_are_never_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert suggested(MANY, monkeypatch, weights="none") == {"full_finetune"}


def test_the_reason_counts_the_training_images_of_a_class(workspace: Workspace, tmp_path: Path) -> None:
    dataset = make_dataset(workspace, tmp_path / "pictures")
    made = suggest(RunConfig(dataset=dataset.id, backbone="resnet18"), workspace)
    typical = sorted(budget.training_counts(workspace, dataset.id)[0])[1]
    assert made.because.startswith(f"{typical} training images a class")


@pytest.mark.parametrize(("alike", "early"), [((), True), ((2,), False)])
def test_features_end_early_only_where_that_is_shown(alike: tuple[int, ...], early: bool) -> None:
    score = records.Accuracy(accuracy=0.5, low=0.4, high=0.6)
    rows = tuple(records.ProbedBlock(block=name, stage="s", ridge=score, neighbours=score) for name in "abc")
    found = records.Probe(
        blocks=rows,
        random=(),
        controls=records.Controls(colours=score, majority=score),
        suggestion=records.ProbeSuggestion(block=1, alike=alike, name="b", last_n=2),
        images=9,
        of=9,
    )
    assert found.ends_early is early
