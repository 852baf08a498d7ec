"""Strategies on the page of a comparison: however alike their names are when cut, each is itself, and names are
text."""

import json
from itertools import product

import numpy as np
import pytest

from engine.comparisons.comparison import Comparison, arm
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.compare import classes, disagreements
from pages.ui.compare.disagreements import Disagreement
from pages.ui.compare.evidence import Evidence
from tests.pages import compared, made
from tests.pages.compared import claims, evidence_now, opened
from tests.pages.test_compare import strings

HOSTILE = 'say "hi" <b>x</b>'


SETTINGS = {"batch_size": 16, "last_n": 2, "sampling": "balanced", "schedule": "cosine", "weight_decay": 0.0001}


@pytest.fixture
def hostile(workspace: Workspace) -> Comparison:
    """On classes whose names are markup, two strategies whose names differ in their middle alone."""
    dataset = made.dataset(workspace, classes=(HOSTILE, "dog", "나비"))
    alike = [arm("last_n", seeds=1, settings={**SETTINGS, "lr": lr}) for lr in (0.001, 0.002)]
    comparison = compared.comparison(workspace, dataset, *alike)
    assert len({text.short(arm.label) for arm in comparison.strategies}) == 1
    for run in claims(workspace, comparison):
        compared.finish(workspace, run, dataset, 0.5 if run.config.lr < 0.002 else 0.9)
    return comparison


def test_the_matrix_counts_the_images_of_the_gallery(evidence: Evidence) -> None:
    cells = disagreements.disagreement_matrix(evidence, "light").layout.annotations
    counts = {(cell.y, cell.x): cell.text for cell in cells}
    labels = list(evidence.arms)
    for (row, first), (column, second) in product(enumerate(labels), repeat=2):
        pair = Disagreement(first=first, second=second, kind="first")
        expected = "–" if row == column else str(len(disagreements.pick(evidence, pair)))
        assert counts[row, column] == expected


def test_strategies_that_look_alike_when_cut_stay_two(workspace: Workspace, hostile: Comparison) -> None:
    assert len(classes.recall_table(evidence_now(workspace, hostile)).columns) == 3 + 2
    page = opened(hostile)
    assert "Choose two different strategies." not in [one.value for one in page.info]
    for key in ("flip_first", "flip_second", "member"):
        options = page.selectbox(key=key).options
        assert len(set(options)) == len(options) == 2
    assert page.dataframe[0].value["strategy"].is_unique
    first, second = (arm.label for arm in hostile.strategies)
    page.selectbox(key="flip_first").set_value(second)
    page.selectbox(key="flip_second").set_value(first).run()
    assert (page.session_state["flip_first"], page.session_state["flip_second"]) == (second, first)


def test_a_second_click_on_a_cell_chooses_its_pair_again(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict = {}
    monkeypatch.setattr(disagreements.st, "session_state", state)

    def shown_after_click(labels: str, points: list[dict]) -> tuple[str, str, str]:
        state["flips"] = {"selection": {"points": points}}
        disagreements._show_cell([*labels])
        return state["flip_first"], state["flip_second"], state["flip_kind"]

    assert shown_after_click("abc", [{"customdata": [0, 1]}]) == ("a", "b", "first")
    state |= {"flip_first": "c", "flip_second": "b", "flip_kind": "neither"}
    assert shown_after_click("abc", []) == ("a", "b", "first")
    state |= {"flip_first": "c", "flip_second": "d"}
    assert shown_after_click("cd", []) == ("c", "d", "first"), "another comparison"


def test_figures_show_names_as_they_are_written(workspace: Workspace, hostile: Comparison) -> None:
    evidence = evidence_now(workspace, hostile)
    first, second = evidence.arms
    ticks = classes.confusion_difference_figure(evidence, (first, second), "light").layout.xaxis.ticktext
    assert ticks[0] == 'say "hi" &lt;b&gt;x&lt;/b&gt;'
    said = classes.confusion_difference_in_words(evidence, first, second)
    cell = classes.largest(evidence, first, second).iloc[0]
    assert f"{cell['True class']} called {cell['Predicted class']}: {cell['Difference in images']:+.1f}" in said


def test_one_image_is_one_image(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.array([[0, 1, 1], [2, 0, 1], [1, 1, 0]])
    monkeypatch.setattr(disagreements, "disagreement_counts", lambda right: counts)
    hover = disagreements.disagreement_matrix(evidence, "light").data[1].hovertext
    assert [said.partition("<br>")[0] for said in hover][:4] == ["1 image", "1 image", "2 images", "1 image"]


def test_no_name_is_markup_in_any_figure_of_the_page(hostile: Comparison) -> None:
    specs = [json.loads(chart.proto.spec) for chart in opened(hostile).get("plotly_chart")]
    words = [word for spec in specs for word in strings(spec)]
    assert len(specs) >= 4 and any("&lt;b&gt;x" in word for word in words)
    assert not any("<b>x" in word or "&quot;" in word for word in words)
