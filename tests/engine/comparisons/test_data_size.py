"""Curves over the number of training images: nested shares, kept apart from the verdict, and told without
overclaiming."""

import pytest

from engine.comparisons import comparison, data_size
from engine.comparisons.comparison import Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.comparisons.judgement import judgement
from engine.store.process_identity import this_process
from engine.workspace import Workspace
from tests.engine.comparisons import compared

RIGHT = {10: 0.5, 25: 0.6, 50: 0.7, 100: 0.9}


def grown(workspace: Workspace, *, seeds: int = 2) -> Comparison:
    made = compared.comparison(workspace, arm("linear_probe", seeds=seeds), arm("full_finetune", seeds=seeds))
    for missing in data_size.arms(made):
        ComparisonStore(workspace).add_arm(made.id, missing)
    return ComparisonStore(workspace).get(made.id)


def finish(workspace: Workspace, of: Comparison) -> None:
    store = ComparisonStore(workspace)
    while claimed := store.claim(of.id, this_process()):
        share = claimed.config.train_share
        worse = 0.0 if claimed.config.strategy == "full_finetune" or share == 100 else 0.1
        compared.finish(workspace, claimed, RIGHT[share] - worse, train_images=7 * share)


def test_every_strategy_is_trained_on_every_share_once_and_with_few_seeds(workspace: Workspace) -> None:
    made = grown(workspace, seeds=5)
    parts = [one for one in made.strategies if "train_share" in one.settings]
    assert {(one.strategy, one.settings["train_share"]) for one in parts} == {
        (name, share) for name in ("linear_probe", "full_finetune") for share in data_size.SHARES
    }
    assert all(len(one.seeds) == 3 for one in parts)
    assert data_size.arms(made) == ()


def test_points_hold_what_the_runs_reached_and_nothing_is_shown_before(workspace: Workspace) -> None:
    made = compared.comparison(workspace, arm("linear_probe", seeds=2), arm("full_finetune", seeds=2))
    finish(workspace, made)
    assert data_size.points(workspace, made, ComparisonStore(workspace).runs_of(made.id)) == ()
    for missing in data_size.arms(made):
        ComparisonStore(workspace).add_arm(made.id, missing)
    made = ComparisonStore(workspace).get(made.id)
    finish(workspace, made)
    found = data_size.points(workspace, made, ComparisonStore(workspace).runs_of(made.id))
    assert [(point.label, point.share) for point in found] == [
        (name, share) for name in ("linear_probe", "full_finetune") for share in (10, 25, 50, 100)
    ]
    for point in found:
        expected = RIGHT[point.share] - (0.1 if point.label == "linear_probe" and point.share < 100 else 0.0)
        assert point.accuracy == pytest.approx(expected, abs=0.02) and point.low < point.accuracy < point.high
        assert (point.runs, point.split, point.images) == (2, "test", 7 * point.share)


def test_runs_on_parts_of_the_images_never_enter_table_or_verdict(workspace: Workspace) -> None:
    made = grown(workspace)
    finish(workspace, made)
    judged = judgement(workspace, made, ComparisonStore(workspace).runs_of(made.id))
    assert [row.label for row in judged.rows] == ["linear_probe", "full_finetune"]
    assert [entrant.name for entrant in judged.entrants] == ["linear_probe", "full_finetune"] and not judged.excluded


def test_labels_are_made_once_and_nothing_is_read_without_parts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = compared.comparison(workspace, arm("linear_probe", seeds=2), arm("full_finetune", seeds=2))
    finish(workspace, made)
    read: list[str] = []
    monkeypatch.setattr(data_size, "correctness", lambda workspace, run: read.append(run.id))
    assert data_size.points(workspace, made, ComparisonStore(workspace).runs_of(made.id)) == () and read == []
    monkeypatch.undo()
    for missing in data_size.arms(made):
        ComparisonStore(workspace).add_arm(made.id, missing)
    made = ComparisonStore(workspace).get(made.id)
    finish(workspace, made)
    built: list[Comparison] = []
    for module in (data_size, comparison):
        monkeypatch.setattr(module, "labels", lambda of, real=comparison.labels: (built.append(of), real(of))[1])
    assert len(data_size.points(workspace, made, ComparisonStore(workspace).runs_of(made.id))) == 8
    assert len(built) == 1
