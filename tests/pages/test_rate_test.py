"""Finding a learning rate on the Configure page: one job, its figure, and its suggestion in the field."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from engine.config import from_json
from engine.events import Progress
from engine.jobs.records import OfConfig
from engine.runconfig import RunConfig
from engine.store.job_store import Job, JobStore
from engine.store.run_store import RunStore
from engine.training.lr_range import HIGHEST, LOWEST
from engine.workspace import Workspace
from pages.ui import forms
from pages.ui.configure import rate_test
from tests.pages.prepared import answered, asked, drawn, start, stepping

FOUND = {"rates": [1e-5, 1e-4, 1e-3, 1e-2], "losses": [2.0, 1.9, 1.2, 1.6], "suggestion": 0.00038123}


@pytest.fixture
def page(page: AppTest) -> AppTest:
    """With a strategy that has a rate to find."""
    return stepping(page)


def trial(page: AppTest) -> tuple[Job, RunConfig]:
    """The job that a click asks for, and the run it is about."""
    job = asked(page, "rates_start")
    return job, from_json(job.arguments_as(OfConfig).config)


def test_the_trial_is_of_the_run_as_it_is_configured(page: AppTest, workspace: Workspace) -> None:
    page.number_input(key=forms.key_of("batch_size")).set_value(8)
    job, config = trial(page)
    assert (job.kind, config.strategy, config.batch_size) == ("learning_rates", "linear_probe_steps", 8)
    JobStore(workspace).record(job.id, Progress(stage="learning rates", done=20, total=80))
    page.run()
    assert "20 of 80" in page.get("progress")[0].proto.text
    assert len(JobStore(workspace).list()) == 1


def test_the_page_names_the_rates_that_are_tried(page: AppTest) -> None:
    """The module of the trial loads torch, so the page cannot ask it."""
    assert f"climbs from {LOWEST:f} to {HIGHEST:g}" in drawn(page)


def test_of_several_strategies_one_is_chosen(page: AppTest) -> None:
    page.checkbox(key="strategy_full_finetune").check().run()
    page.selectbox(key="rates_strategy").set_value("full_finetune").run()
    assert trial(page)[1].strategy == "full_finetune"


def test_the_suggestion_is_drawn_and_goes_into_the_field_and_the_run(page: AppTest, workspace: Workspace) -> None:
    answered(page, "rates_start", FOUND)
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    figure = next(spec for spec in specs if "log" in spec["layout"]["xaxis"].get("type", ""))
    assert figure["data"][0]["x"] == FOUND["rates"] and figure["data"][0]["y"] == FOUND["losses"]
    assert figure["data"][1]["x"] == [FOUND["suggestion"]]
    assert r"falls fastest near 3\.8e\-4 and is lowest at 0\.001" in drawn(page)
    page.button(key="rates_use").click().run()
    assert not page.exception
    assert page.number_input(key=forms.key_of("lr")).value == 0.00038
    assert page.button(key="rates_use").disabled  # taken, and still on the page: the trial does not depend on the rate
    start(page).click().run()
    assert RunStore(workspace).list()[0].config.lr == 0.00038


def test_another_configuration_is_another_trial(page: AppTest) -> None:
    answered(page, "rates_start", FOUND)
    page.number_input(key=forms.key_of("batch_size")).set_value(8).run()
    assert "rates_use" not in [button.key for button in page.button]


def test_a_loss_that_never_falls_suggests_nothing(page: AppTest) -> None:
    answered(page, "rates_start", {**FOUND, "suggestion": None})
    assert "nothing to suggest" in drawn(page)
    assert "rates_use" not in [button.key for button in page.button]


def test_without_a_sound_strategy_there_is_nothing_to_try(page: AppTest) -> None:
    page.checkbox(key="strategy_linear_probe_steps").uncheck().run()
    assert "rates_start" not in [button.key for button in page.button]


def test_no_points_are_said_and_not_drawn() -> None:
    assert "nothing to suggest" in rate_test.rate_summary([], None)
