"""Phases on the Configure page: what the table starts with, and that what a person wrote into it is what is queued."""

import dataclasses

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.training.freezing import plan_for, validate
from engine.training.patterns import selected
from engine.training.plan import FreezePlan, groups
from engine.training.strategies import STRATEGIES
from engine.workspace import Workspace
from pages.ui import forms
from pages.ui.configure import phases
from tests.pages import prepared
from tests.pages.prepared import start

MINE = ("resnet18", "linear_probe")
SECOND = phases.Row(names="layer4, head", epochs=4, rate=1e-4, decay=0.8)
ROWS = [phases.Row(names="head", epochs=2, rate=0.003, decay=1.0), SECOND]
WRITTEN = "head | 2 | 0.003 | 1; layer4, head | 4 | 0.0001 | 0.8"


def changed(page: AppTest, rows: list[phases.Row]) -> AppTest:
    """The page as a person finds it who changed the table, went to another page and came back."""
    page.session_state[phases.OWN] = {MINE: rows}
    page.run()
    assert not page.exception
    return page


def tables(page: AppTest) -> list[pd.DataFrame]:
    return [frame.value for frame in page.dataframe if "decay" in frame.value]


def queued(page: AppTest, workspace: Workspace) -> dict[str, RunConfig]:
    """By strategy, after a click on Start."""
    start(page).click().run()
    return {run.config.strategy: run.config for run in RunStore(workspace).list()}


def config(**options: object) -> RunConfig:
    return RunConfig(dataset="d", backbone="resnet18", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_the_table_starts_with_exactly_what_the_strategy_does(strategy: str) -> None:
    base = config(
        strategy=strategy,
        patterns="layer1.0.bias, *.1.weight",
        epochs=7,
        weights="run:x" if strategy == "from_run" else "none",
    )
    planned = plan_for(prepared.OUTLINE, base, stepped=True)
    own = FreezePlan(phases=tuple(phase for phase in planned.phases if phase.how == "steps"))
    settings = phases.settings_of(strategy, phases.suggested(base, prepared.OUTLINE))
    again = plan_for(prepared.OUTLINE, dataclasses.replace(base, **settings))
    assert [phase.epochs for phase in again.phases] == [phase.epochs for phase in own.phases]
    rates = {group.parameters: group.rates for group in groups(prepared.OUTLINE, own)}
    assert {
        group.parameters: pytest.approx(group.rates, rel=0.01) for group in groups(prepared.OUTLINE, again)
    } == rates


@pytest.mark.parametrize(
    ("strategy", "patterns"),
    [("last_block", "layer4, head"), ("full_finetune", "all"), ("bias_norm", "*.bias, head")],
)
def test_names_are_as_short_as_they_can_be(strategy: str, patterns: str) -> None:
    phase = plan_for(prepared.OUTLINE, config(strategy=strategy, epochs=2)).phases[-1]
    assert phases.patterns_of(prepared.OUTLINE, phase) == patterns
    assert selected(prepared.OUTLINE, patterns) == phase.parameters


def test_an_untouched_table_follows_the_options_and_is_not_queued(workspace: Workspace, page: AppTest) -> None:
    prepared.stepping(page).number_input(key=forms.key_of("epochs")).set_value(9).run()
    assert list(tables(page)[0]["epochs"]) == [9]
    assert queued(page, workspace)["linear_probe_steps"].phases == ""


def test_changed_phases_are_queued_drawn_and_repeated_on_the_command_line(workspace: Workspace, page: AppTest) -> None:
    changed(page, ROWS)
    assert "Phase 2 (4 epochs): trains 2 of 4 blocks" in prepared.html(page)
    commands = [code.value for code in page.code if "engine train" in code.value]
    assert f"'phases={WRITTEN}'" in commands[0]
    run = validate(queued(page, workspace)["linear_probe"])
    assert (run.phases, run.epochs) == (WRITTEN, 6)  # what other pages count with


def test_phases_of_ones_own_count_while_they_are_folded_away(workspace: Workspace, page: AppTest) -> None:
    page.session_state["fold_phases"] = False
    changed(page, ROWS)
    assert not tables(page)
    assert "Phase 2 (4 epochs): trains 2 of 4 blocks" in prepared.html(page)
    assert queued(page, workspace)["linear_probe"].phases == WRITTEN


def test_another_strategy_keeps_its_own_phases(workspace: Workspace, page: AppTest) -> None:
    page.checkbox(key="strategy_full_finetune").check()
    configs = queued(changed(page, ROWS), workspace)
    assert configs["linear_probe"].phases and not configs["full_finetune"].phases
    assert configs["full_finetune"].epochs == 0


def test_reset_brings_back_the_phases_of_the_strategy(workspace: Workspace, page: AppTest) -> None:
    changed(page, ROWS)
    page.button(key="phases_reset_linear_probe").click().run()
    assert not page.exception
    assert list(tables(page)[0]["names"]) == ["head"]
    assert queued(page, workspace)["linear_probe"].phases == ""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"names": "layer9"}, "'layer9' matches no block and no parameter of resnet18"),
        ({"names": None}, "Phase 2 of Linear probe has an empty cell"),
        ({"epochs": None}, "Phase 2 of Linear probe has an empty cell"),
        ({"rate": 0.0}, "Phase 2, 'layer4, head | 4 | 0 | 0.8', is not of the form"),
    ],
)
def test_a_phase_that_cannot_be_is_one_sentence_and_blocks_start(
    page: AppTest, row: dict[str, object], said: str
) -> None:
    changed(page, [ROWS[0], dataclasses.replace(SECOND, **row)])
    assert start(page).disabled
    (error,) = page.error
    assert said in error.value.replace("\\", "")
    page.button(key="phases_reset_linear_probe").click().run()
    assert not start(page).disabled


def test_an_empty_table_says_so(page: AppTest) -> None:
    changed(page, [])
    assert "Linear probe has no phase left" in page.error[0].value


def test_continuing_a_run_without_one_is_said_where_other_problems_are(page: AppTest) -> None:
    page.checkbox(key="strategy_from_run").check().run()
    assert not page.exception
    assert start(page).disabled
    assert "continues a checkpoint" in page.error[0].value
