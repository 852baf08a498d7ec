"""Phases on the Configure page: what the table starts with, and that what a person wrote into it is what is queued."""

import dataclasses

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import ConfigError
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.training.freezing import plan_for, validate
from engine.training.patterns import selected
from engine.training.strategies import STRATEGIES
from engine.workspace import Workspace
from pages.ui import forms
from pages.ui.configure import phases
from tests.pages import prepared

MINE = ("resnet18", "linear_probe")
ROWS = [
    {"names": "head", "epochs": 2, "rate": 0.003, "decay": 1.0},
    {"names": "layer4, head", "epochs": 4, "rate": 1e-4, "decay": 0.8},
]


def start(page: AppTest):
    return next(button for button in page.button if button.label.startswith("Start"))


def changed(page: AppTest, rows: list[dict[str, object]]) -> AppTest:
    """The page as a person finds it who changed the table, went to another page and came back."""
    page.session_state[phases.OWN] = {MINE: rows}
    return page.run()


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
    own = plan_for(prepared.OUTLINE, base)
    again = plan_for(
        prepared.OUTLINE,
        dataclasses.replace(base, **phases.settings_of(strategy, phases.suggested(base, prepared.OUTLINE))),
    )
    assert [(p.parameters, p.epochs, p.lr_decay) for p in again.phases] == [
        (p.parameters, p.epochs, p.lr_decay) for p in own.phases
    ]
    assert [p.lr for p in again.phases] == pytest.approx([p.lr for p in own.phases], rel=0.01)


def test_names_are_as_short_as_they_can_be() -> None:
    outline = prepared.OUTLINE
    said = {
        name: phases.names(outline, plan_for(outline, config(strategy=name)).phases[-1])
        for name in ("last_block", "full_finetune")
    }
    assert said == {"last_block": "layer4, head", "full_finetune": "all"}
    light = phases.names(outline, plan_for(outline, config(strategy="bias_norm")).phases[0])
    assert light == "*.bias, head"
    assert selected(outline, light) == plan_for(outline, config(strategy="bias_norm")).phases[0].parameters


def test_an_untouched_table_leaves_the_strategy_its_own_phases(workspace: Workspace, page: AppTest) -> None:
    start(page.run()).click().run()
    assert RunStore(workspace).list()[0].config.phases == ""


def test_the_table_follows_the_options_while_it_is_untouched(page: AppTest) -> None:
    page.number_input(key=forms.key_of("epochs")).set_value(9).run()
    table = next(frame.value for frame in page.dataframe if "decay" in frame.value)
    assert list(table["epochs"]) == [9]


def test_changed_phases_are_queued_drawn_and_repeated_on_the_command_line(workspace: Workspace, page: AppTest) -> None:
    changed(page, ROWS)
    assert not page.exception
    assert "Phase 2 (4 epochs): trains 2 of 4 blocks" in prepared.html(page)
    commands = [code.value for code in page.code if "engine train" in code.value]
    assert "'phases=head | 2 | 0.003 | 1; layer4, head | 4 | 0.0001 | 0.8'" in commands[0]
    start(page).click().run()
    queued = validate(RunStore(workspace).list()[0].config)
    assert queued.phases == "head | 2 | 0.003 | 1; layer4, head | 4 | 0.0001 | 0.8"
    assert queued.epochs == 6  # what other pages count with


def test_phases_of_ones_own_count_while_they_are_folded_away(workspace: Workspace, page: AppTest) -> None:
    page.session_state["fold_phases"] = False
    changed(page, ROWS)
    assert not any("decay" in frame.value for frame in page.dataframe)
    assert "Phase 2 (4 epochs): trains 2 of 4 blocks" in prepared.html(page)
    start(page).click().run()
    assert RunStore(workspace).list()[0].config.phases == "head | 2 | 0.003 | 1; layer4, head | 4 | 0.0001 | 0.8"


def test_another_strategy_keeps_its_own_phases(workspace: Workspace, page: AppTest) -> None:
    page.checkbox(key="strategy_full_finetune").check()
    start(changed(page, ROWS)).click().run()
    queued = {run.config.strategy: run.config for run in RunStore(workspace).list()}
    assert queued["linear_probe"].phases and not queued["full_finetune"].phases
    assert queued["full_finetune"].epochs == 5


def test_reset_brings_back_the_phases_of_the_strategy(workspace: Workspace, page: AppTest) -> None:
    changed(page, ROWS)
    page.button(key="phases_reset_linear_probe").click().run()
    assert not page.exception
    table = next(frame.value for frame in page.dataframe if "decay" in frame.value)
    assert list(table["names"]) == ["head"]
    start(page).click().run()
    assert RunStore(workspace).list()[0].config.phases == ""


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
    changed(page, [ROWS[0], ROWS[1] | row])
    assert not page.exception
    assert start(page).disabled
    (error,) = page.error
    assert said in error.value.replace("\\", "")
    page.button(key="phases_reset_linear_probe").click().run()
    assert not start(page).disabled


def test_an_empty_table_says_so(page: AppTest) -> None:
    changed(page, [])
    assert not page.exception
    assert "Linear probe has no phase left" in page.error[0].value
    with pytest.raises(ConfigError):
        phases.settings_of("linear_probe", [])


def test_continuing_a_run_without_one_is_said_where_other_problems_are(page: AppTest) -> None:
    page.checkbox(key="strategy_from_run").check().run()
    assert not page.exception
    assert start(page).disabled
    assert "continues a checkpoint" in page.error[0].value
