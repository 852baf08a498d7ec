"""The Compare page by AppTest: only runs on the same images, only what differs, and no more certainty than there is."""

import json
import os
from collections.abc import Iterator, Sequence

import pytest

from engine.comparisons import run_results
from engine.data.dataset_records import Dataset
from engine.runconfig import RunConfig
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.compare import run_table
from tests.pages import made, prepared


def test_without_runs_the_page_says_where_to_go(workspace: Workspace) -> None:
    assert "No run yet" in prepared.page("compare").info[0].value


def test_the_table_holds_every_run_of_the_latest_dataset(workspace: Workspace, dataset: Dataset) -> None:
    other = made.dataset(workspace, name="other")
    prepared.finished(workspace, dataset, correct=30, name="elsewhere")
    prepared.finished(workspace, other, correct=36, name="first")
    prepared.run(workspace, other, strategy="full_finetune", name="second", status="stopped")
    page = prepared.page("compare")
    assert not page.exception
    frame = page.dataframe[0].value
    assert list(frame["run"]) == ["second", "first"]
    assert list(frame["test"]) == ["–", "90.0 % (76.9 to 96.0)"]
    assert list(frame["trains"]) == ["4.08 M of 4.08 M", "1.54 k of 4.08 M"]


def test_only_options_that_differ_are_listed(workspace: Workspace, dataset: Dataset) -> None:
    runs = [prepared.finished(workspace, dataset, correct=30, seed=seed, lr=lr) for seed, lr in ((0, 0.0), (1, 0.01))]
    frame = run_table.differing(runs)
    assert {row[0]: list(row[1:]) for row in frame.itertuples(index=False)} == {
        "Learning rate": ["automatic", "0.01"],
        "Seed": ["0", "1"],
    }
    shown = prepared.page("compare").dataframe[1].value
    assert set(shown["option"]) == {"Learning rate", "Seed"}


def said(workspace: Workspace, runs: Sequence[Run], split: str = "test") -> str:
    return run_table.accuracy_sentence(runs, {run.id: run_results.scores(workspace, run) for run in runs}, split)


def two(workspace: Workspace, dataset: Dataset, *correct: int) -> list[Run]:
    """Runs a and b, right on so many of 40 images."""
    return [prepared.finished(workspace, dataset, correct=n, name=name) for n, name in zip(correct, "ab", strict=True)]


@pytest.mark.parametrize(
    ("correct", "end"),
    [
        ((30, 33), "b leads a by 7.5 points: no difference shown, their intervals overlap."),
        ((10, 38), "their intervals do not overlap."),
    ],
)
def test_a_difference_is_called_what_it_is(
    workspace: Workspace, dataset: Dataset, correct: tuple[int, int], end: str
) -> None:
    sentence = said(workspace, two(workspace, dataset, *correct))
    assert sentence.startswith("On 40 test images an accuracy is known to about ±13 percentage points")
    assert sentence.endswith(end)


def test_one_run_alone_proves_nothing(workspace: Workspace, dataset: Dataset) -> None:
    assert said(workspace, [prepared.finished(workspace, dataset, correct=30)]) == ""


def test_runs_keep_their_colours_when_others_are_left_out(workspace: Workspace, dataset: Dataset) -> None:
    runs = [prepared.finished(workspace, dataset, correct=30, name=name) for name in ("a", "b", "c")]
    page = prepared.page("compare")

    def colours() -> dict[str, str]:
        spec = json.loads(page.get("plotly_chart")[1].proto.spec)
        return {trace["name"]: trace["line"]["color"] for trace in spec["data"]}

    before = colours()
    page.multiselect[0].set_value([runs[0].id, runs[2].id]).run()
    assert colours() == {name: before[name] for name in ("a", "c")}


def test_equal_and_hostile_names_are_told_apart_and_stay_text(workspace: Workspace, dataset: Dataset) -> None:
    for _ in range(2):
        prepared.finished(workspace, dataset, correct=30, name="<a href='javascript:x'>:red[x]</a>")
    names = list(run_table.unique_names(RunStore(workspace).list()).values())
    assert len(set(names)) == 2
    page = prepared.page("compare")
    assert not page.exception
    assert ":red[x]" not in prepared.drawn(page)
    assert "<a href" not in prepared.html(page)
    words = [word for chart in page.get("plotly_chart") for word in strings(json.loads(chart.proto.spec))]
    assert any("a href" in word for word in words)
    assert not any("<a href" in word for word in words)


def strings(value: object) -> Iterator[str]:
    """Every string in parsed JSON, whatever the file writes for a bracket."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


@pytest.mark.parametrize(
    "damaged", ["{", "[]", '{"splits": [1]}', '{"splits": {"test": 3}}', '{"splits": {"test": {"accuracy": null}}}']
)
def test_damaged_metrics_do_not_hide_the_other_runs(workspace: Workspace, dataset: Dataset, damaged: str) -> None:
    broken = prepared.finished(workspace, dataset, correct=30)
    sound = prepared.finished(workspace, dataset, correct=33)
    (workspace.run(broken.id) / "metrics.json").write_text(damaged)
    assert run_results.scores(workspace, broken) == {}
    assert set(run_results.scores(workspace, sound)) == {"val", "test"}
    page = prepared.page("compare")
    assert not page.exception
    assert len(page.dataframe[0].value) == 2


def test_metrics_are_read_again_when_they_have_changed(workspace: Workspace, dataset: Dataset) -> None:
    run = prepared.finished(workspace, dataset, correct=30)
    assert run_results.scores(workspace, run)["test"].images == 40
    path = workspace.run(run.id) / "metrics.json"
    path.write_text(path.read_text().replace('"images": 40', '"images": 50'))
    os.utime(path, (1000, 1000))
    assert run_results.scores(workspace, run)["test"].images == 50


def test_a_run_may_be_called_like_the_first_column(workspace: Workspace, dataset: Dataset) -> None:
    for seed, name in enumerate(("option", "other")):
        prepared.finished(workspace, dataset, correct=30, name=name, seed=seed)
    page = prepared.page("compare")
    assert not page.exception
    assert page.dataframe[1].value.columns.is_unique
    assert "Look closer" in [element.value for element in page.subheader]


def test_long_names_that_differ_in_the_middle_stay_two_rows(workspace: Workspace, dataset: Dataset) -> None:
    runs = [
        prepared.finished(workspace, dataset, correct=30 + n, name=f"{'a' * 50}{n}{'b' * 50}", lr=(n + 1) / 100)
        for n in range(2)
    ]
    assert run_table.run_rows(runs, {})["run"].is_unique
    assert run_table.differing(runs).columns.is_unique
    sentence = said(workspace, runs)
    assert "(1)" in sentence and "(2)" in sentence


def test_the_split_is_called_validation_and_its_optimism_is_said(workspace: Workspace, dataset: Dataset) -> None:
    runs = two(workspace, dataset, 30, 33)
    optimistic = said(workspace, runs, "val")
    assert optimistic.startswith("On 40 validation images") and "chose the epoch" in optimistic
    assert "chose the epoch" not in said(workspace, runs)


def test_runs_that_differ_in_their_seed_alone_are_called_luck(workspace: Workspace, dataset: Dataset) -> None:
    for seed, correct in enumerate((31, 34)):
        prepared.finished(workspace, dataset, correct=correct, name=f"seed {seed}", seed=seed)
    luck = "no difference shown, their intervals overlap. They differ in their seed alone: what is between them is luck"
    assert text.md(luck) in prepared.drawn(prepared.page("compare"))


def test_at_first_the_runs_that_have_begun_are_chosen(workspace: Workspace, dataset: Dataset) -> None:
    begun = prepared.finished(workspace, dataset, correct=30, name="done")
    RunStore(workspace).enqueue(RunConfig(dataset=dataset.id, backbone="resnet18", seed=7), name="waits", owner="")
    page = prepared.page("compare")
    assert page.multiselect[0].value == [begun.id]
