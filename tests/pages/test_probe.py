"""The probe on the Configure page: one job, its curve with the controls, one sentence that predicts and a table."""

import json

from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from engine.config import from_json
from engine.events import Progress
from engine.jobs.probe import MOST_IMAGES
from engine.jobs.records import Accuracy, Controls, OfConfig, Probe, ProbedBlock, ProbeSuggestion
from engine.runconfig import RunConfig
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import forms
from pages.ui.configure import probe
from tests.pages.prepared import answered, asked, drawn

HOSTILE = "layer1.0 [x](http://evil.example) :red[*y*] <b>"


def score(accuracy: float) -> Accuracy:
    return Accuracy(accuracy=accuracy, low=accuracy - 0.05, high=accuracy + 0.05)


def probed(name: str, ridge: float, neighbours: float) -> ProbedBlock:
    return ProbedBlock(block=name, stage="layer1", ridge=score(ridge), neighbours=score(neighbours))


def suggestion(*alike: int) -> ProbeSuggestion:
    return ProbeSuggestion(block=2, alike=alike, name="layer4.1", last_n=1)


FOUND = Probe(
    blocks=(probed("conv1", 0.5, 0.45), probed(HOSTILE, 0.8, 0.7), probed("layer4.1", 0.82, 0.75)),
    random=(score(0.4), score(0.42), score(0.41)),
    controls=Controls(colours=score(0.47), majority=score(0.34)),
    suggestion=suggestion(1),
    images=90,
    of=120,
)


def test_the_probe_is_asked_once_and_starts_no_run(page: AppTest, workspace: Workspace) -> None:
    job = asked(page, "probe_start")
    assert job.kind == "probe" and from_json(job.arguments_as(OfConfig).config).backbone == "resnet18"
    JobStore(workspace).record(job.id, Progress(stage="looking at images", done=30, total=90))
    page.run()
    assert any("30 of 90" in bar.proto.text for bar in page.get("progress"))
    assert len(JobStore(workspace).list("probe")) == 1 and RunStore(workspace).list() == []


def test_its_curve_controls_sentence_and_table_are_shown(page: AppTest) -> None:
    shown = drawn(answered(page, "probe_start", FOUND))
    figures = [json.loads(chart.proto.spec)["data"] for chart in page.get("plotly_chart")]
    figure = next(data for data in figures if any(line.get("name") == "colours alone" for line in data))
    lines = {line.get("name"): line["y"] for line in figure}
    assert lines["ridge"] == [0.5, 0.8, 0.82] and lines["ridge, random weights"] == [0.4, 0.42, 0.41]
    assert lines["most frequent class"] == [0.34] * 3
    assert "predicts" in shown and "cannot be told apart from" in shown and "is best" not in shown
    assert "[x](http://evil.example)" not in shown and ":red[*y*]" not in shown
    assert not any("<b>" in str(name) for line in figure for name in line["x"])
    tables = [frame.value for frame in page.dataframe if "Ridge" in frame.value]
    assert list(tables[0]["Block"])[-2:] == ["Colours alone", "Most frequent class"] and len(tables[0]) == 5


def test_the_page_names_the_number_that_the_job_looks_at(page: AppTest) -> None:
    """The job's module loads torch, so the page cannot ask it."""
    assert f"at up to {MOST_IMAGES} training images" in drawn(page)


def test_blocks_are_drawn_apart_and_as_they_are_called() -> None:
    blocks = tuple(probed(f'{"a" * 20}{middle}{"b" * 20} "x"', 0.5, 0.5) for middle in "12")
    names = probe.accuracy_figure(replace(FOUND, blocks=blocks, random=())).data[1].x
    assert len(set(names)) == 2 and all('"x"' in name for name in names)


def test_another_strategy_asks_nothing_new_and_another_size_does(page: AppTest) -> None:
    answered(page, "probe_start", FOUND)
    page.checkbox(key="strategy_full_finetune").check().run()
    assert "Probe again" in [button.label for button in page.button]
    page.number_input(key=forms.key_of("image_size")).set_value(128).run()
    assert "Probe again" not in [button.label for button in page.button]


def test_random_weights_have_no_random_twin_and_scratch_is_random() -> None:
    random = replace(FOUND, random=())
    assert "random weights" not in probe.probe_summary(random)
    assert probe.block_table(random)["Random weights"].tolist() == ["–"] * 5
    scratch = RunConfig(dataset="dataset-00000000", backbone="resnet18", strategy="from_scratch")
    assert from_json(str(probe.arguments_of(scratch)["config"])).weights == "none"


def test_alone_at_the_top_or_all_alike_is_said_so() -> None:
    assert "every other block" in probe.probe_summary(replace(FOUND, suggestion=suggestion()))
    alike = probe.probe_summary(replace(FOUND, suggestion=suggestion(0, 1)))
    assert alike.startswith("The probe cannot tell the blocks apart: layer4.1 reaches most, 82.0 %")
    assert "furthest" not in alike
