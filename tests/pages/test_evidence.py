"""What the page keeps of a comparison: nothing is computed twice, nothing stale is shown, and figures say what the
numbers say."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.comparisons import data_size, wording
from engine.comparisons.comparison import Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.data.dataset_records import Dataset
from engine.evaluation import predictions
from engine.events import Epoch
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import contrast, palette, text
from pages.ui.compare import (
    classes,
    cost_chart,
    data_size_curves,
    disagreements,
    learning_curves,
    report,
    verdict,
)
from pages.ui.compare.disagreements import Disagreement
from pages.ui.compare.evidence import Evidence
from pages.ui.unfreezing import Change
from tests.pages import compared, made, prepared
from tests.pages.compared import evidence_now

RIGHT = {"linear_probe": 0.5, "last_block": 0.7, "full_finetune": 0.97}


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return made.dataset(workspace)


@pytest.fixture
def known(workspace: Workspace, dataset: Dataset) -> Comparison:
    known = compared.comparison(workspace, dataset, *(arm(strategy, seeds=1) for strategy in RIGHT))
    compared.finish_all(workspace, known, dataset, RIGHT, images=60)
    return known


@pytest.fixture
def evidence(workspace: Workspace, known: Comparison) -> Evidence:
    return evidence_now(workspace, known)


def test_a_judgement_is_kept_until_something_of_it_changes(workspace: Workspace, known: Comparison) -> None:
    first = evidence_now(workspace, known)
    assert evidence_now(workspace, known) is first
    path = workspace.run(first.runs[0].id) / "predictions.csv"
    table = predictions.read(path)
    predictions.write(path, table.assign(predict=table["label"]))
    about = path.stat()
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1_000_000))  # a coarse clock may have stood still
    again = evidence_now(workspace, known)
    label = again.comparison.strategies[0].label
    assert not first.arms[label].votes.right.all()
    assert again.arms[label].votes.right.all()


def test_a_run_that_is_resumed_does_not_count_until_it_has_finished_again(
    workspace: Workspace, known: Comparison
) -> None:
    assert evidence_now(workspace, known).judgement.to_come == 0
    ComparisonStore(workspace).add_seeds(known.id, 1)
    grown = evidence_now(workspace, ComparisonStore(workspace).get(known.id))
    assert grown.judgement.to_come == 3
    assert {label: arm.votes.seeds for label, arm in grown.arms.items()} == dict.fromkeys(RIGHT, 1)


def test_what_costs_more_and_is_shown_to_be_worse_is_not_worth_it(workspace: Workspace, dataset: Dataset) -> None:
    known = compared.comparison(workspace, dataset, *(arm(strategy, seeds=1) for strategy in RIGHT))
    compared.finish_all(
        workspace, known, dataset, {"linear_probe": 0.97, "last_block": 0.9, "full_finetune": 0.4}, images=60
    )
    found = evidence_now(workspace, known)
    worth = {offer.name: offer.worth for offer in cost_chart.offers(found, "seconds")}
    assert worth["linear_probe"] and not worth["full_finetune"]
    symbols = {
        trace.name: trace.marker.symbol
        for trace in cost_chart.cost_figure(cost_chart.offers(found, "seconds"), "seconds", "light").data
    }
    assert (symbols["linear_probe"], symbols["full_finetune"]) == ("circle", "circle-open")
    memory = cost_chart.offers(found, "peak_memory_bytes")
    assert {offer.cost for offer in memory} == {5.0}  # megabytes


def test_the_matrix_counts_the_images_of_the_gallery(evidence: Evidence) -> None:
    cells = disagreements.disagreement_matrix(evidence, "light").layout.annotations
    counts = {(cell.y, cell.x): cell.text for cell in cells}
    labels = list(evidence.arms)
    for row, first in enumerate(labels):
        for column, second in enumerate(labels):
            pair = Disagreement(first=first, second=second, kind="first")
            expected = "–" if row == column else str(len(disagreements.pick(evidence, pair)))
            assert counts[row, column] == expected


def test_classes_are_compared_by_recall_and_the_difference_of_confusions_sums_to_nothing(evidence: Evidence) -> None:
    frame = classes.recall_table(evidence)
    assert list(frame["Apart"]) == sorted(frame["Apart"], reverse=True)
    right = evidence.arms["full_finetune"].votes.right
    for row in frame.to_dict("records"):
        mine = evidence.labels == evidence.classes.index(row["Class"])
        assert row["full_finetune"] == pytest.approx(100 * right[mine].mean())
    values = classes.confusion_difference(evidence, "full_finetune", "linear_probe")
    assert values.sum(axis=1) == pytest.approx(np.zeros(3))
    assert values.trace() == right.sum() - evidence.arms["linear_probe"].votes.right.sum()
    largest = classes.largest(evidence, "full_finetune", "linear_probe")
    assert abs(largest["Difference in images"].iloc[0]) == np.abs(values).max()


def test_without_test_images_validation_judges_and_the_table_says_so(workspace: Workspace, known: Comparison) -> None:
    for run in ComparisonStore(workspace).runs_of(known.id):
        path = workspace.run(run.id) / "predictions.csv"
        table = predictions.read(path)
        predictions.write(path, table[table["split"] == "val"])
    found = evidence_now(workspace, known)
    assert found.judgement.split == "val" and len(found.images) == 60
    rows = verdict.strategy_rows(found, workspace)
    assert rows["accuracy"].notna().all()
    low, high = found.judgement.intervals["full_finetune"]
    assert (
        dict(zip(rows["strategy"], rows["interval"], strict=True))["full_finetune"]
        == f"{100 * low:.1f} to {100 * high:.1f}"
    )
    assert verdict.headings(found.judgement)["interval"] == "95 %, optimistic"
    said = verdict.table_notes(found.judgement)[0]
    assert (
        "optimistic" in said
        and "choosing among 3 strategies and 4 epochs on these 60 images can have flattered it by about" in said
    )
    assert {(offer.low, offer.high) for offer in cost_chart.offers(found, "seconds", "light")} == set(
        found.judgement.intervals.values()
    )


def test_with_test_images_nothing_is_called_optimistic(evidence: Evidence) -> None:
    assert verdict.headings(evidence.judgement)["interval"] == "95 % interval"
    assert not any("optimistic" in note for note in verdict.table_notes(evidence.judgement))


def test_a_strategy_no_better_than_guessing_is_called_so(
    workspace: Workspace, dataset: Dataset, known: Comparison
) -> None:
    right = evidence_now(workspace, known)
    assert not right.judgement.doubtful and wording.doubt(right.judgement) == ""
    hopeless = compared.comparison(workspace, dataset, arm("linear_probe", seeds=2), arm("full_finetune", seeds=2))
    compared.finish_all(workspace, hopeless, dataset, {"linear_probe": 0.3, "full_finetune": 0.4}, images=60)
    found = evidence_now(workspace, hopeless)
    share = np.bincount(found.labels).max() / len(found.labels)
    doubt = wording.doubt(found.judgement)
    assert doubt.startswith(f"{found.judgement.verdict.chosen} is not shown to be better than guessing")
    assert f"{100 * share:.1f} % of these images" in verdict.table_notes(found.judgement)[0]
    assert text.md(doubt) in prepared.drawn(prepared.page("compare", comparison=hopeless.id))


def test_names_beside_equal_points_do_not_stand_on_each_other(workspace: Workspace, dataset: Dataset) -> None:
    alike = {"last_stage": 0.9, "gradual_unfreeze": 0.9, "full_finetune": 0.9}  # which all cost 80 seconds
    known = compared.comparison(workspace, dataset, *(arm(strategy, seeds=1) for strategy in ["linear_probe", *alike]))
    compared.finish_all(workspace, known, dataset, {"linear_probe": 0.5, **alike}, images=60)
    drawn = cost_chart.cost_figure(
        cost_chart.offers(evidence_now(workspace, known), "seconds", "light"), "seconds", "light"
    )
    low, high = drawn.layout.yaxis.range
    heights = sorted(
        (name.y - low) / (high - low) * cost_chart.PLOT + name.yshift
        for name in drawn.layout.annotations
        if name.xanchor == "right"
    )
    assert len(heights) == 3
    assert min(np.diff(heights)) >= cost_chart.LINE - 1e-6
    assert set(drawn.layout.xaxis.ticktext) >= {"2", "20", "50"}


def test_figures_in_cells_can_be_read_in_both_themes() -> None:
    for theme in ("light", "dark"):
        surface, accent = palette.surface(theme), palette.categorical(theme)[0]
        assert contrast.on(surface, accent, 0.0, theme) == palette.ink(theme)
        assert contrast.on(surface, accent, 1.0, theme) == palette.page(theme)
    middle = [contrast.on("#000000", "#ffffff", share, "light") for share in (0.2, 0.8)]
    assert middle == [palette.page("light"), palette.ink("light")]


def rows_of(*scores: float) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(epoch=turn, seconds=10.0 * turn, val_accuracy=score) for turn, score in enumerate(scores, start=1)
    )


def test_a_curve_is_the_mean_of_the_seeds_that_have_come_so_far() -> None:
    span = learning_curves.Span(
        name="a",
        colour="#112233",
        dash="solid",
        runs=[rows_of(0.2, 0.6), rows_of(0.4)],
        phases=[Change(epoch=2, says="x")],
    )
    found = learning_curves.points(span, "accuracy")
    assert [(point.at, pytest.approx(point.mean), point.low, point.high) for point in found] == [
        (1, 0.3, 0.2, 0.4),
        (2, 0.6, 0.6, 0.6),
    ]
    assert [point.at for point in learning_curves.points(span, "accuracy", axis="seconds")] == [10, 30]
    drawn = learning_curves.figure([span], "accuracy", ["val"], "epoch", "light")
    assert [trace.marker.symbol for trace in drawn.data if trace.mode == "markers"] == ["diamond"]
    assert learning_curves.points(span, "accuracy", split="train") == []


def test_a_long_curve_reads_every_epoch_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    read, score = [], Epoch.score
    monkeypatch.setattr(Epoch, "score", lambda *asked: read.append(asked) or score(*asked))
    span = learning_curves.Span(name="a", colour="#112233", dash="solid", runs=[rows_of(*[0.5] * 200)] * 2)
    found = learning_curves.points(span, "accuracy", axis="seconds")
    assert len(found) == 200 and found[-1].at == sum(10.0 * turn for turn in range(1, 201))
    assert 2 * 200 <= len(read) <= 4 * 2 * 200


def test_a_curve_says_that_its_end_is_of_the_seeds_that_came_so_far() -> None:
    span = learning_curves.Span(
        name="a",
        colour="#112233",
        dash="solid",
        runs=[rows_of(0.2, 0.6), rows_of(0.4)],
        phases=[Change(epoch=2, says="x")],
    )
    said = learning_curves.in_words([span], "accuracy")
    assert (
        "the mean of the seeds that reached it: a 60.0 %" in said and "that reached the epoch" in learning_curves.SAID
    )
    alone = learning_curves.Span(name="a", colour="#112233", dash="solid", runs=[rows_of(0.2, 0.6)])
    assert (
        learning_curves.in_words([alone], "accuracy") == "Accuracy on validation images after the last epoch: a 60.0 %."
    )
    for theme in ("light", "dark"):
        drawn = learning_curves.figure([span], "accuracy", ["val"], "epoch", theme)
        assert [trace.marker.line.color for trace in drawn.data if trace.mode == "markers"] == [palette.page(theme)]


def test_a_strategy_has_one_colour_in_every_figure(workspace: Workspace, known: Comparison) -> None:
    one = data_size.Point(label="last_block", share=10, images=7, accuracy=0.5, low=0.4, high=0.6, runs=1, split="test")
    (curve,) = data_size_curves.data_size_figure([one], data_size.whole_labels(known)).data
    offers = {offer.name: offer.colour for offer in cost_chart.offers(evidence_now(workspace, known), "seconds")}
    assert curve.line.color == offers["last_block"] != offers["linear_probe"]
    runs = ComparisonStore(workspace).runs_of(known.id)
    RunStore(workspace).delete(runs[0].id)
    left = learning_curves.spans(known, ComparisonStore(workspace).runs_of(known.id))
    assert {span.name: span.colour for span in left} == {name: offers[name] for name in ("last_block", "full_finetune")}


def test_the_report_writes_large_numbers_out_and_says_when_no_image_judged(
    workspace: Workspace, known: Comparison
) -> None:
    assert [report.cell(value) for value in (12345.6, 0.12345, -1234.5, None)] == ["12,346", "0.1235", "-1,234", "–"]
    for run in ComparisonStore(workspace).runs_of(known.id):
        (workspace.run(run.id) / "predictions.csv").unlink()
    assert "0 images" not in report.report(workspace, evidence_now(workspace, known))


def test_runs_without_a_folder_do_not_break_the_page(workspace: Workspace, known: Comparison) -> None:
    for run in ComparisonStore(workspace).runs_of(known.id)[:2]:
        (workspace.run(run.id) / "predictions.csv").unlink()
    found = evidence_now(workspace, known)
    assert len(found.arms) == 1 and len(found.judgement.excluded) == 2
    assert isinstance(verdict.strategy_rows(found, workspace), pd.DataFrame)
    for run in RunStore(workspace).list():
        RunStore(workspace).delete(run.id)
    assert evidence_now(workspace, known).arms == {}


def test_what_the_seconds_leave_out_is_said_where_it_is_more_than_they_are(
    workspace: Workspace, dataset: Dataset
) -> None:
    known = compared.comparison(workspace, dataset, arm("linear_probe", seeds=1), arm("full_finetune", seeds=1))
    compared.finish_all(workspace, known, dataset, {"linear_probe": 0.9, "full_finetune": 0.92}, images=60)
    said = verdict.frozen_part_seconds(
        evidence_now(workspace, known).judgement
    )  # 2 seconds of training, 4 of computing the frozen part
    assert said.startswith(
        "Not counted as training: computing the frozen part once for all, 4.0 s a run of linear_probe"
    )
    worse = compared.comparison(
        workspace, dataset, arm("linear_probe", seeds=1, settings={"lr": 0.5}), arm("full_finetune", seeds=2)
    )
    compared.finish_all(workspace, worse, dataset, {"linear_probe": 0.3, "full_finetune": 0.97}, images=60)
    assert verdict.frozen_part_seconds(evidence_now(workspace, worse).judgement) == ""  # 80 seconds of training


def test_a_run_that_does_not_say_what_it_computed_once_is_taken_to_have_computed_nothing(
    workspace: Workspace, dataset: Dataset
) -> None:
    known = compared.comparison(workspace, dataset, arm("linear_probe", seeds=1), arm("full_finetune", seeds=1))
    compared.finish_all(workspace, known, dataset, {"linear_probe": 0.8, "full_finetune": 0.99}, images=12)
    found = evidence_now(workspace, known)
    first, second = found.judgement.rows
    rows = (first, replace(second, cache_seconds=None))
    said = verdict.frozen_part_seconds(replace(found.judgement, rows=rows))
    assert said.endswith("4.0 s a run of linear_probe on average.")
