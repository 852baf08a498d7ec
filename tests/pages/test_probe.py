"""The probe on the Configure page: one job, its curve with the controls, one sentence that predicts and a table."""

import json
from dataclasses import replace

from streamlit.testing.v1 import AppTest

from engine.config import from_json
from engine.events import Progress
from engine.jobs.probe import MOST_IMAGES
from engine.record_files import encode
from engine.runconfig import RunConfig
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import forms
from pages.ui.configure import probe
from tests.pages import prepared

HOSTILE = "layer1.0 [x](http://evil.example) :red[*y*] <b>"


def score(accuracy: float) -> dict[str, float]:
    return {"accuracy": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.05}


FOUND = {
    "blocks": [
        {"block": "conv1", "stage": "conv1", "ridge": score(0.5), "neighbours": score(0.45)},
        {"block": HOSTILE, "stage": "layer1", "ridge": score(0.8), "neighbours": score(0.7)},
        {"block": "layer4.1", "stage": "layer4", "ridge": score(0.82), "neighbours": score(0.75)},
    ],
    "random": [score(0.4), score(0.42), score(0.41)],
    "controls": {"colours": score(0.47), "majority": score(0.34)},
    "suggestion": {"block": 2, "alike": [1], "name": "layer4.1", "last_n": 1},
    "images": 90,
    "of": 120,
}


def asked(page: AppTest, workspace: Workspace):
    page.button(key="probe_start").click().run()
    assert not page.exception
    return JobStore(workspace).claim("1:1")


def test_the_probe_is_asked_once_and_starts_no_run(page: AppTest, workspace: Workspace) -> None:
    job = asked(page, workspace)
    assert job.kind == "probe" and from_json(job.arguments_as(dict)["config"]).backbone == "resnet18"
    JobStore(workspace).record(job.id, Progress(stage="looking at images", done=30, total=90))
    page.run()
    assert any("30 of 90" in bar.proto.text for bar in page.get("progress"))
    assert len(JobStore(workspace).list("probe")) == 1 and RunStore(workspace).list() == []


def test_its_curve_controls_sentence_and_table_are_shown(page: AppTest, workspace: Workspace) -> None:
    JobStore(workspace).finish(asked(page, workspace).id, result=encode(FOUND))
    page.run()
    assert not page.exception
    figures = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    drawn = next(figure for figure in figures if any(line.get("name") == "colours alone" for line in figure["data"]))
    lines = {line.get("name"): line["y"] for line in drawn["data"]}
    assert lines["ridge"] == [0.5, 0.8, 0.82] and lines["ridge, random weights"] == [0.4, 0.42, 0.41]
    assert lines["most frequent class"] == [0.34] * 3
    said = prepared.drawn(page)
    assert "predicts" in said and "cannot be told apart from" in said and "is best" not in said
    assert "[x](http://evil.example)" not in said and ":red[*y*]" not in said
    assert not any("<b>" in str(name) for line in drawn["data"] for name in line["x"])
    tables = [frame.value for frame in page.dataframe if "Ridge" in frame.value]
    assert list(tables[0]["Block"])[-2:] == ["Colours alone", "Most frequent class"] and len(tables[0]) == 5


def test_the_page_names_the_number_that_the_job_looks_at(page: AppTest) -> None:
    """The job's module loads torch, so the page cannot ask it."""
    assert f"at up to {MOST_IMAGES} training images" in prepared.drawn(page)


def test_blocks_are_drawn_apart_and_as_they_are_called() -> None:
    rows = [{**FOUND["blocks"][0], "block": f'{"a" * 20}{middle}{"b" * 20} "x"'} for middle in "12"]
    names = probe.accuracy_figure({**FOUND, "blocks": rows, "random": []}).data[1].x
    assert len(set(names)) == 2 and all('"x"' in name for name in names)


def test_another_strategy_asks_nothing_new_and_another_size_does(page: AppTest, workspace: Workspace) -> None:
    JobStore(workspace).finish(asked(page, workspace).id, result=encode(FOUND))
    page.checkbox(key="strategy_full_finetune").check().run()
    assert "Probe again" in [button.label for button in page.button]
    page.number_input(key=forms.key_of("image_size")).set_value(128).run()
    assert "Probe again" not in [button.label for button in page.button]


def test_a_failure_says_why(page: AppTest, workspace: Workspace) -> None:
    JobStore(workspace).finish(asked(page, workspace).id, error="The weights cannot be downloaded.")
    page.run()
    assert any("The weights cannot be downloaded" in error.value for error in page.error)


def test_random_weights_have_no_random_twin_and_scratch_is_random() -> None:
    assert "random weights" not in probe.probe_summary({**FOUND, "random": []})
    assert probe.block_table({**FOUND, "random": []})["Random weights"].tolist() == ["–"] * 5
    config = RunConfig(dataset="dataset-00000000", backbone="resnet18")
    assert from_json(str(probe.arguments_of(replace(config, strategy="from_scratch"))["config"])).weights == "none"
    assert "every other block" in probe.probe_summary({**FOUND, "suggestion": {**FOUND["suggestion"], "alike": []}})


def test_blocks_that_are_all_alike_have_no_winner() -> None:
    said = probe.probe_summary({**FOUND, "suggestion": {"block": 2, "alike": [0, 1], "name": "layer4.1", "last_n": 1}})
    assert said.startswith("The probe cannot tell the blocks apart: layer4.1 reaches most, 82.0 %")
    assert "furthest" not in said
