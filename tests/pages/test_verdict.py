"""The verdict on the page: what flatters is called so, and what the numbers leave out is said."""

from dataclasses import replace

import numpy as np

from engine.comparisons import wording
from engine.comparisons.comparison import Comparison
from engine.data.dataset_records import Dataset
from engine.evaluation import predictions
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.compare import cost_chart, verdict
from pages.ui.compare.evidence import Evidence
from tests.pages import prepared
from tests.pages.compared import evidence_now, finished, opened, runs_of


def test_without_test_images_validation_judges_and_the_table_says_so(
    workspace: Workspace, comparison: Comparison
) -> None:
    for run in runs_of(workspace, comparison):
        path = workspace.run(run.id) / "predictions.csv"
        table = predictions.read(path)
        predictions.write(path, table[table["split"] == "val"])
    evidence = evidence_now(workspace, comparison)
    assert evidence.judgement.split == "val" and len(evidence.images) == 60
    rows = verdict.strategy_rows(evidence, workspace).set_index("strategy")
    assert rows["accuracy"].notna().all()
    low, high = evidence.judgement.intervals["full_finetune"]
    assert rows["interval"]["full_finetune"] == f"{100 * low:.1f} to {100 * high:.1f}"
    assert verdict.headings(evidence.judgement)["interval"] == "95 %, optimistic"
    note = verdict.table_notes(evidence.judgement)[0]
    assert "optimistic" in note and "choosing among 3 strategies and 4 epochs on these 60 images can have" in note
    assert {(offer.low, offer.high) for offer in cost_chart.offers(evidence, "seconds")} == set(
        evidence.judgement.intervals.values()
    )


def test_with_test_images_nothing_is_called_optimistic(evidence: Evidence) -> None:
    assert verdict.headings(evidence.judgement)["interval"] == "95 % interval"
    assert not any("optimistic" in note for note in verdict.table_notes(evidence.judgement))


def test_a_strategy_no_better_than_guessing_is_called_so(
    workspace: Workspace, dataset: Dataset, evidence: Evidence
) -> None:
    assert not evidence.judgement.doubtful and wording.doubt(evidence.judgement) == ""
    hopeless = finished(workspace, dataset, {"linear_probe_steps": 0.3, "full_finetune": 0.4}, seeds=2)
    found = evidence_now(workspace, hopeless)
    share = np.bincount(found.labels).max() / len(found.labels)
    doubt = wording.doubt(found.judgement)
    assert doubt.startswith(f"{found.judgement.verdict.chosen} is not shown to be better than guessing")
    assert f"{100 * share:.1f} % of these images" in verdict.table_notes(found.judgement)[0]
    page = opened(hopeless)
    assert text.md(doubt) in prepared.drawn(page) and not page.success
    assert any(one.value.startswith("**Take none of them yet") for one in page.markdown)


def test_what_the_seconds_leave_out_is_said_where_it_is_more_than_they_are(
    workspace: Workspace, dataset: Dataset
) -> None:
    quick = finished(workspace, dataset, {"linear_probe_steps": 0.95, "full_finetune": 1.0})
    judged = evidence_now(workspace, quick).judgement
    said = "Not counted as training: computing the frozen part once for all, 4.0 s a run of linear_probe_steps"
    assert verdict.frozen_part_seconds(judged).startswith(said)  # and 2 seconds of training
    first, second = judged.rows  # a run that names no seconds has computed nothing once
    silent = replace(judged, rows=(first, replace(second, cache_seconds=None)))
    assert verdict.frozen_part_seconds(silent) == f"{said} on average."
    slow = replace(judged, rows=(replace(first, seconds=20.0), second))
    assert verdict.frozen_part_seconds(slow) == ""
    worse = finished(workspace, dataset, {"linear_probe_steps": 0.3, "full_finetune": 0.97})
    assert verdict.frozen_part_seconds(evidence_now(workspace, worse).judgement) == ""  # no seconds in the advice
