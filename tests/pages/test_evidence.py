"""What the page keeps of a comparison: nothing is computed twice, and nothing stale is shown."""

import os

from engine.comparisons.comparison import Comparison
from engine.comparisons.comparison_store import ComparisonStore
from engine.evaluation import predictions
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui.compare import verdict
from tests.pages.compared import RIGHT, evidence_now, runs_of, without_predictions


def test_a_judgement_is_kept_until_something_of_it_changes(workspace: Workspace, comparison: Comparison) -> None:
    first = evidence_now(workspace, comparison)
    assert evidence_now(workspace, comparison) is first
    path = workspace.run(first.runs[0].id) / "predictions.csv"
    table = predictions.read(path)
    predictions.write(path, table.assign(predict=table["label"]))
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))  # a coarse clock may have stood still
    again = evidence_now(workspace, comparison)
    assert not first.arms["linear_probe_steps"].votes.right.all()
    assert again.arms["linear_probe_steps"].votes.right.all()


def test_a_run_that_is_resumed_does_not_count_until_it_has_finished_again(
    workspace: Workspace, comparison: Comparison
) -> None:
    assert evidence_now(workspace, comparison).judgement.to_come == 0
    ComparisonStore(workspace).add_seeds(comparison.id, 1)
    grown = evidence_now(workspace, ComparisonStore(workspace).get(comparison.id))
    assert grown.judgement.to_come == 3
    assert {label: arm.votes.seeds for label, arm in grown.arms.items()} == dict.fromkeys(RIGHT, 1)


def test_runs_without_a_folder_do_not_break_the_page(workspace: Workspace, comparison: Comparison) -> None:
    without_predictions(workspace, runs_of(workspace, comparison)[:2])
    evidence = evidence_now(workspace, comparison)
    assert len(evidence.arms) == 1 and len(evidence.judgement.excluded) == 2
    assert len(verdict.strategy_rows(evidence, workspace)) == 3
    for run in RunStore(workspace).list():
        RunStore(workspace).delete(run.id)
    assert evidence_now(workspace, comparison).arms == {}
