"""The buttons of a comparison: they act on the one that is shown, say how much they start, and say why when they
cannot."""

import pytest

from engine.comparisons import data_size
from engine.comparisons.comparison import Comparison
from engine.comparisons.comparison_store import ComparisonStore
from engine.data.dataset import delete_dataset
from engine.data.dataset_records import Dataset
from engine.errors import RunError
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui.compare import one_comparison, progress
from tests.pages import prepared
from tests.pages.compared import finished, opened, runs_of

RIGHT = {"linear_probe_steps": 0.5, "full_finetune": 0.95}


@pytest.fixture
def comparison(workspace: Workspace, dataset: Dataset) -> Comparison:
    return finished(workspace, dataset, RIGHT)


def test_a_ticked_box_of_one_comparison_deletes_nothing_of_the_next(workspace: Workspace, dataset: Dataset) -> None:
    first, second = (finished(workspace, dataset, RIGHT, name=name) for name in "AB")
    page = opened(second)
    page.checkbox(key=f"delete_runs_{second.id}").check().run()
    page.selectbox(key="_comparison").set_value(first.id).run()
    assert not any(box.value for box in page.checkbox if "Delete its" in box.label)
    page.button(key=f"delete_{first.id}").click().run()
    assert not page.exception and not page.warning
    assert [one.id for one in ComparisonStore(workspace).list()] == [second.id] and len(RunStore(workspace).list()) == 4
    assert page.query_params["comparison"] == second.id
    assert not any(box.value for box in page.checkbox if "Delete its" in box.label)


def test_without_runs_nothing_is_said_of_deleting_runs(workspace: Workspace, comparison: Comparison) -> None:
    for run in RunStore(workspace).list():
        RunStore(workspace).delete(run.id)
    page = opened(comparison)
    assert not any("Delete its" in box.label for box in page.checkbox)
    page.button(key=f"delete_{comparison.id}").click().run()
    assert not page.exception and ComparisonStore(workspace).list() == []


def test_a_refusal_stays_until_the_next_wish(workspace: Workspace, comparison: Comparison) -> None:
    page = opened(comparison)
    page.selectbox(key="more_strategy").set_value("linear_probe_steps")
    page.button(key="add_strategy").click().run()
    page.run()
    assert "is part of this comparison already" in prepared.drawn(page)
    page.text_input(key=f"rename_{comparison.id}").set_value("B")
    page.button(key="rename").click().run()
    assert "is part of this comparison already" not in prepared.drawn(page)


def test_parts_that_cannot_be_queued_say_why_and_are_ordered_by_what_they_cost(
    workspace: Workspace, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    prepared.outline(workspace)

    def refused(store: ComparisonStore, comparison_id: str, arm: object, *, outlines: object = None) -> None:
        given.append(outlines)
        raise RunError("Another tab *was* faster.")

    monkeypatch.setattr(ComparisonStore, "add_arm", refused)
    page = opened(comparison)
    page.button(key="datasizes").click().run()
    assert not page.exception
    assert r"Another tab \*was\* faster" in prepared.drawn(page)
    assert given == [progress.outlines_of(comparison)] and given[0]


def test_parts_of_the_images_are_no_strategies_and_more_seeds_name_their_runs(
    workspace: Workspace, dataset: Dataset
) -> None:
    comparison = finished(workspace, dataset, RIGHT, seeds=2)
    assert one_comparison.name_of(comparison, 4).endswith("2 strategies, 4 runs")
    for part in data_size.arms(comparison):
        ComparisonStore(workspace).add_arm(comparison.id, part)
    grown = ComparisonStore(workspace).get(comparison.id)
    assert one_comparison.name_of(grown, 16).endswith("2 strategies, 16 runs")
    before = len(runs_of(workspace, comparison))
    page = opened(grown)
    assert "That is 16 more runs, 12 of them on parts of the images." in prepared.drawn(page)
    page.button(key="add_seeds").click().run()
    assert len(runs_of(workspace, comparison)) == before + 16


def test_nothing_grows_on_a_dataset_that_is_gone(
    workspace: Workspace, dataset: Dataset, comparison: Comparison
) -> None:
    assert not opened(comparison).warning
    delete_dataset(workspace, dataset.id)
    page = opened(comparison)
    assert [one.value for one in page.warning] == [one_comparison.GONE]
    popovers = [element.proto.popover for element in page.get("popover")]
    assert [popover.label for popover in popovers if popover.disabled] == ["Add seeds", "Add a strategy"]
    assert page.button(key="datasizes").disabled
    assert not prepared.components(page, "gallery")
