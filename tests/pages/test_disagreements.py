"""Strategies on the page of a comparison: however alike their names are when cut, each is itself, and names are
text."""

import json

import numpy as np
import pytest

from engine.comparisons.comparison import Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.data.dataset_records import Dataset
from engine.store.process_identity import this_process
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.compare import classes, disagreements
from pages.ui.compare.evidence import Evidence
from tests.pages import compared, made
from tests.pages.compared import evidence_now, opened
from tests.pages.test_compare import strings

HOSTILE = 'say "hi" <b>x</b>'


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return made.dataset(workspace, classes=(HOSTILE, "dog", "나비"))


@pytest.fixture
def known(workspace: Workspace, dataset: Dataset) -> Comparison:
    """Two strategies whose names differ in their middle alone."""
    alike = [
        arm(
            "last_n",
            seeds=1,
            settings={
                "batch_size": 16,
                "last_n": 2,
                "lr": lr,
                "sampling": "balanced",
                "schedule": "cosine",
                "weight_decay": 0.0001,
            },
        )
        for lr in (0.001, 0.002)
    ]
    known = compared.comparison(workspace, dataset, *alike)
    store = ComparisonStore(workspace)
    assert len({text.short(one.label) for one in known.strategies}) == 1
    while claimed := store.claim(known.id, this_process()):
        compared.finish(workspace, claimed, dataset, 0.5 if claimed.config.lr < 0.002 else 0.9, images=30)
    return store.get(known.id)


@pytest.fixture
def evidence(workspace: Workspace, known: Comparison) -> Evidence:
    return evidence_now(workspace, known)


def test_strategies_that_look_alike_when_cut_stay_two(workspace: Workspace, known: Comparison) -> None:
    found = evidence_now(workspace, known)
    assert len(classes.recall_table(found).columns) == 3 + 2
    page = opened(known)
    assert "Choose two different strategies." not in [one.value for one in page.info]
    for key in ("flip_first", "flip_second", "member"):
        options = page.selectbox(key=key).options
        assert len(set(options)) == len(options) == 2
    assert page.dataframe[0].value["strategy"].is_unique
    first, second = known.strategies[0].label, known.strategies[1].label
    page.selectbox(key="flip_first").set_value(second)
    page.selectbox(key="flip_second").set_value(first).run()
    assert (page.session_state["flip_first"], page.session_state["flip_second"]) == (second, first)


def test_a_second_click_on_a_cell_chooses_its_pair_again(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict = {"flips": {"selection": {"points": [{"customdata": [0, 1]}]}}}
    monkeypatch.setattr(disagreements.st, "session_state", state)
    disagreements._show_cell(["a", "b", "c"])
    assert (state["flip_first"], state["flip_second"]) == ("a", "b")
    state |= {"flip_first": "c", "flip_second": "b", "flip_kind": "neither", "flips": {"selection": {"points": []}}}
    disagreements._show_cell(["a", "b", "c"])
    assert (state["flip_first"], state["flip_second"], state["flip_kind"]) == ("a", "b", "first")
    state |= {"flip_first": "c", "flip_second": "d"}
    disagreements._show_cell(["c", "d"])  # another comparison
    assert (state["flip_first"], state["flip_second"]) == ("c", "d")


def test_figures_show_names_as_they_are_written(evidence: Evidence) -> None:
    first, second = evidence.arms
    ticks = classes.confusion_difference_figure(evidence, (first, second), "light").layout.xaxis.ticktext
    assert ticks[0] == 'say "hi" &lt;b&gt;x&lt;/b&gt;'
    said = classes.confusion_difference_in_words(evidence, first, second)
    cell = classes.largest(evidence, first, second).iloc[0]
    assert f"{cell['True class']} called {cell['Predicted class']}: {cell['Difference in images']:+.1f}" in said
    drawn = disagreements.disagreement_matrix(evidence, "light").data[1]
    counts = [int(said.split()[0]) for said in drawn.hovertext]
    assert all(
        said.startswith(f"{text.count(number, 'image')}<br>")
        for number, said in zip(counts, drawn.hovertext, strict=True)
    )


def test_one_image_is_one_image(workspace: Workspace, known: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disagreements, "disagreement_counts", lambda right: np.array([[0, 1], [2, 0]]))
    hover = disagreements.disagreement_matrix(evidence_now(workspace, known), "light").data[1].hovertext
    assert [said.partition("<br>")[0] for said in hover] == ["1 image", "2 images"]


def test_no_name_is_markup_in_any_figure_of_the_page(known: Comparison) -> None:
    specs = [json.loads(one.proto.spec) for one in opened(known).get("plotly_chart")]
    assert len(specs) >= 4
    assert any("&lt;b&gt;x" in said for spec in specs for said in strings(spec))
    assert not any("<b>x" in said or "&quot;" in said for spec in specs for said in strings(spec))
