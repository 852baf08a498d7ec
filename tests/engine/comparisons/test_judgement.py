"""What came out of a comparison: the table adds up, the verdict counts what is fair and finished, and says what it left
out."""

import dataclasses
from itertools import islice

import numpy as np
import pytest
from msgspec.structs import replace

from engine.comparisons.comparison import Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.comparisons.judgement import Judgement, judgement
from engine.comparisons.run_results import correctness
from engine.comparisons.wording import exclusion_sentence, sentences
from engine.errors import ConfigError
from engine.evaluation import predictions
from engine.runconfig import RunConfig
from engine.store import database
from engine.store.process_identity import this_process
from engine.store.run_record import Run
from engine.store.run_store import RunStore, add, take
from engine.workspace import Workspace
from tests.engine.comparisons.compared import claims, comparison, finish, finish_all, runs_of

SHARES = {"linear_probe_steps": 0.6, "last_block": 0.8, "full_finetune": 0.81}


def extra(workspace: Workspace, of: str, **options: object) -> Run:
    """A run that somebody put into the comparison by hand, at work."""
    config = RunConfig(dataset="d", backbone="resnet18", **{"epochs": 4, **options})  # type: ignore[arg-type]
    with database.write(workspace) as db:
        run_id = add(db, config, comparison=of)
        take(db, run_id, this_process(), device="cpu")
    return RunStore(workspace).get(run_id)


def judged_now(workspace: Workspace, made: Comparison) -> Judgement:
    return judgement(workspace, made, runs_of(workspace, made))


@pytest.fixture
def made(workspace: Workspace) -> Comparison:
    return comparison(workspace)


@pytest.fixture
def runs(workspace: Workspace, made: Comparison) -> list[Run]:
    """Those of `made`, finished."""
    return finish_all(workspace, made, SHARES)


def test_the_verdict_takes_the_cheapest_of_those_not_shown_worse(
    workspace: Workspace, made: Comparison, runs: list[Run]
):
    judged = judgement(workspace, made, runs)
    assert judged.verdict is not None and judged.excluded == {}
    assert judged.verdict.judged_on == "test" and judged.verdict.images == 200
    assert "linear_probe_steps" not in judged.verdict.not_worse and judged.verdict.cheapest == "last_block"
    assert (judged.verdict.advice.take, judged.verdict.advice.reason) == ("full_finetune", "cheaper may do")
    shapes = [entrant.correct_test.shape for entrant in judged.entrants if entrant.correct_test is not None]
    assert shapes == [(2, 200)] * 3
    assert any("linear_probe_steps" in sentence and "better than" in sentence for sentence in sentences(judged))


def test_the_margin_is_the_comparison_s(workspace: Workspace, made: Comparison, runs: list[Run]):
    ComparisonStore(workspace).set_margin(made.id, 20.0)
    kept = ComparisonStore(workspace).get(made.id)
    judged = judgement(workspace, kept, runs)
    assert judged.verdict and judged.verdict.margin == kept.margin == 20.0
    assert (judged.verdict.advice.take, judged.verdict.advice.reason) == ("last_block", "rival is as good")
    for margin in (0.0, 51.0, float("nan")):
        with pytest.raises(ConfigError, match=r"A margin is 0.1 to 50 points"):
            ComparisonStore(workspace).set_margin(made.id, margin)


def test_a_row_holds_the_means_over_seeds(workspace: Workspace, made: Comparison, runs: list[Run]):
    rows = {row.label: row for row in judgement(workspace, made, runs).rows}
    assert list(rows) == ["linear_probe_steps", "last_block", "full_finetune"] and {
        row.runs for row in rows.values()
    } == {2}
    of = [run.summary.test_accuracy for run in runs if run.config.strategy == "last_block" and run.summary]
    row = rows["last_block"]
    assert row.test_accuracy == pytest.approx(sum(of) / 2) and len(set(of)) == 2
    assert row.test_low is not None and row.test_high is not None and row.test_low < row.test_accuracy < row.test_high
    assert row.f1_macro is not None and 0 < row.f1_macro < 1 and row.log_loss is not None and row.log_loss > 0
    assert (row.seconds, row.trainable_parameters, row.peak_memory_bytes) == (10.0, 1000, 5_000_000)
    assert (row.best_epoch, row.kept_out, row.cache_seconds) == (3.0, (), 4.0)


def test_nothing_is_judged_before_something_has_finished(workspace: Workspace, made: Comparison):
    judged = judged_now(workspace, made)
    assert (judged.verdict, judged.obstacle, judged.to_come, judged.total) == (None, "nothing finished", 6, 6)
    assert "nothing to judge" in sentences(judged)[0] and sentences(judged)[-1].startswith("6 of 6 runs have not")
    assert [(row.runs, row.planned) for row in judged.rows] == [(0, 2)] * 3


@pytest.mark.usefixtures("runs")
def test_a_run_on_other_terms_is_shown_but_not_judged(workspace: Workspace, made: Comparison):
    odd = extra(workspace, made.id, strategy="bias_norm", image_size=64)
    finish(workspace, odd, 0.99)
    judged = judged_now(workspace, made)
    assert set(judged.excluded) == {odd.id} and judged.verdict is not None
    assert "bias_norm" not in judged.verdict.seconds
    row = next(row for row in judged.rows if row.label == "resnet18 bias_norm")
    assert (
        row.runs == 0 and row.test_accuracy and row.test_accuracy > 0.9 and row.kept_out == (judged.excluded[odd.id],)
    )
    assert "Not judged: resnet18 bias_norm (1 run). Image size is 64 here" in " ".join(sentences(judged))


@pytest.mark.usefixtures("runs")
def test_other_data_under_the_same_name_is_not_judged(workspace: Workspace, made: Comparison):
    odd = extra(workspace, made.id, strategy="bias_norm")
    finish(workspace, odd, 0.99, fingerprint="another")
    judged = judged_now(workspace, made)
    assert "images and split is another here" in exclusion_sentence(judged.excluded[odd.id])


def test_stopped_failed_and_emptied_runs_do_not_count(workspace: Workspace, made: Comparison):
    stopped, failed, emptied = islice(claims(workspace, made), 3)
    RunStore(workspace).finish(stopped.id, "stopped")
    RunStore(workspace).finish(failed.id, "failed", "The loss is not a number.")
    finish(workspace, emptied, 0.9)
    (workspace.run(emptied.id) / "predictions.csv").unlink()
    judged = judgement(workspace, made, finish_all(workspace, made, SHARES))
    assert set(judged.excluded) == {stopped.id, failed.id, emptied.id}
    assert exclusion_sentence(judged.excluded[failed.id]) == "It failed: The loss is not a number."
    assert judged.verdict is not None and set(judged.verdict.seconds) == {"last_block", "full_finetune"}


def test_without_test_images_validation_judges(workspace: Workspace, made: Comparison):
    judged = judgement(workspace, made, finish_all(workspace, made, SHARES, test=False))
    assert judged.verdict is not None and judged.verdict.judged_on == judged.split == "val"
    assert {(row.test_accuracy, row.test_low) for row in judged.rows} == {(None, None)}


def test_without_validation_images_the_reason_and_the_remedy_are_told(
    workspace: Workspace, made: Comparison, runs: list[Run]
):
    for run in runs:
        path = workspace.run(run.id) / "predictions.csv"
        path.write_text(path.read_text(encoding="utf-8").replace(",val,", ",test,"), encoding="utf-8")
    judged = judgement(workspace, made, runs)
    assert judged.verdict is None and judged.excluded == {}
    assert judged.obstacle == "no validation images" and "70/15/15" in sentences(judged)[0]


def test_when_nothing_that_finished_counts_that_is_what_is_said(
    workspace: Workspace, made: Comparison, runs: list[Run]
):
    for run in runs:
        (workspace.run(run.id) / "predictions.csv").unlink()
    judged = judgement(workspace, made, runs)
    assert judged.verdict is None and sentences(judged)[0].startswith("No run that has finished counts")


@pytest.mark.parametrize(("tune", "epochs"), [(0, 4), (1, 4), (5, 20)])
def test_every_learning_rate_tried_is_another_chance_to_be_lucky(workspace: Workspace, tune: int, epochs: int):
    made = comparison(workspace, arm("linear_probe_steps", seeds=2), arm("last_block", seeds=2), tune=tune)
    judged = judgement(workspace, made, finish_all(workspace, made, SHARES, test=False))
    assert judged.verdict is not None and judged.verdict.tried_epochs == epochs
    assert {entrant.epochs for entrant in judged.entrants} == {epochs}


def test_predictions_are_read_again_only_when_they_change(workspace: Workspace, runs: list[Run]):
    run = runs[0]
    first = correctness(workspace, run)
    assert np.frombuffer(first["test"].images, np.int32).tolist() == list(range(200, 400))
    assert first["test"].correct.mean() == pytest.approx(0.6, abs=0.05)
    assert correctness(workspace, run) is first
    path = workspace.run(run.id) / "predictions.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("0.8", "0.85"), encoding="utf-8")
    assert correctness(workspace, run) is not first
    assert correctness(workspace, dataclasses.replace(run, id="run-00000000")) == {}


def test_one_run_of_what_is_solved_counts_as_all_its_seeds(workspace: Workspace):
    made = comparison(workspace, arm("linear_probe", seeds=3), arm("last_block", seeds=3))
    runs = finish_all(workspace, made, {**SHARES, "linear_probe": 0.6})
    verdict = judgement(workspace, made, runs).verdict
    assert [run.config.strategy for run in runs].count("linear_probe") == 1
    assert verdict is not None and (verdict.solved, verdict.single_seed) == (("linear_probe",), ())
    earlier = [dataclasses.replace(run, started=replace(run.started, solved=False)) for run in runs if run.started]
    stepped = judgement(workspace, made, earlier).verdict
    assert stepped is not None and (stepped.solved, stepped.single_seed) == ((), ("linear_probe",))


def test_images_that_come_in_groups_are_judged_by_group_and_that_is_said(workspace: Workspace):
    made = comparison(workspace, arm("linear_probe_steps", seeds=2), arm("last_block", seeds=2))
    runs = finish_all(workspace, made, SHARES)
    alone = judgement(workspace, made, runs)
    for run in runs:
        path = workspace.run(run.id) / "predictions.csv"
        table = predictions.read(path)
        predictions.write(path, predictions.with_groups(table, [f"person {place // 20}" for place in range(400)]))
    judged = judgement(workspace, made, runs)
    assert alone.verdict and judged.verdict and (alone.verdict.groups, judged.verdict.groups) == (None, 10)
    wider = [np.diff(judged.intervals[name])[0] > 1.5 * np.diff(of)[0] for name, of in alone.intervals.items()]
    assert all(wider) and judged.verdict.rivals[0].p > alone.verdict.rivals[0].p
    assert any("come in 10 groups" in sentence for sentence in sentences(judged))
    assert not any("groups" in sentence for sentence in sentences(alone))
