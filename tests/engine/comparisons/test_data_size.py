"""Curves over the number of training images: nested shares, kept apart from the verdict, and told without
overclaiming."""

import pytest

from engine.comparisons import comparison, data_size
from engine.comparisons.comparison import Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.comparisons.judgement import judgement
from engine.store.run_record import Run
from engine.workspace import Workspace
from tests.engine.comparisons import compared

RIGHT = {10: 0.5, 25: 0.6, 50: 0.7, 100: 0.9}


def two_strategies(workspace: Workspace, *, seeds: int = 2) -> Comparison:
    return compared.comparison(workspace, arm("linear_probe_steps", seeds=seeds), arm("full_finetune", seeds=seeds))


def grown(workspace: Workspace, made: Comparison) -> Comparison:
    for missing in data_size.arms(made):
        ComparisonStore(workspace).add_arm(made.id, missing)
    return ComparisonStore(workspace).get(made.id)


def finish(workspace: Workspace, of: Comparison) -> list[Run]:
    for run in compared.claims(workspace, of):
        share = run.config.train_share
        worse = 0.0 if run.config.strategy == "full_finetune" or share == 100 else 0.1
        compared.finish(workspace, run, RIGHT[share] - worse, train_images=7 * share)
    return compared.runs_of(workspace, of)


def test_every_strategy_is_trained_on_every_share_once_and_with_few_seeds(workspace: Workspace) -> None:
    made = grown(workspace, two_strategies(workspace, seeds=5))
    parts = [arm for arm in made.strategies if "train_share" in arm.settings]
    assert {(arm.strategy, arm.settings["train_share"]) for arm in parts} == {
        (name, share) for name in ("linear_probe_steps", "full_finetune") for share in data_size.SHARES
    }
    assert all(len(arm.seeds) == 3 for arm in parts)
    assert data_size.arms(made) == ()


def test_points_hold_what_the_runs_reached_and_nothing_is_read_before(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = two_strategies(workspace)
    runs = finish(workspace, made)
    with monkeypatch.context() as patched:
        patched.setattr(data_size, "correctness", None)  # to call it would fail
        assert data_size.points(workspace, made, runs) == ()
    made = grown(workspace, made)
    runs, built = finish(workspace, made), []
    for module in (data_size, comparison):
        monkeypatch.setattr(module, "labels", lambda of, real=comparison.labels: (built.append(of), real(of))[1])
    found = data_size.points(workspace, made, runs)
    assert len(built) == 1
    assert [(point.label, point.share) for point in found] == [
        (name, share) for name in ("linear_probe_steps", "full_finetune") for share in (10, 25, 50, 100)
    ]
    for point in found:
        expected = RIGHT[point.share] - (0.1 if point.label == "linear_probe_steps" and point.share < 100 else 0.0)
        assert point.accuracy == pytest.approx(expected, abs=0.02) and point.low < point.accuracy < point.high
        assert (point.runs, point.split, point.images) == (2, "test", 7 * point.share)


def test_runs_on_parts_of_the_images_never_enter_table_or_verdict(workspace: Workspace) -> None:
    made = grown(workspace, two_strategies(workspace))
    judged = judgement(workspace, made, finish(workspace, made))
    assert [row.label for row in judged.rows] == ["linear_probe_steps", "full_finetune"]
    assert [entrant.name for entrant in judged.entrants] == [
        "linear_probe_steps",
        "full_finetune",
    ] and not judged.excluded
