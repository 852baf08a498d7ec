"""The forecast on the Configure page and, afterwards, beside what was measured."""

from streamlit.testing.v1 import AppTest

from engine.config import from_json
from engine.events import Started
from engine.jobs import forecast_files
from engine.jobs.forecast_files import Forecast
from engine.record_files import encode
from engine.runconfig import RunConfig
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import forecast
from tests.pages import made, prepared

ROW = {
    "strategy": "linear_probe",
    "backbone": "resnet18",
    "phases": 1,
    "runs": 1,
    "epochs": 2.0,
    "validation": 0.5,
    "answers": 0.5,
    "total": 12.0,
    "fill_alone": 9.0,
    "fill_shared": 9.0,
    "peak_memory_bytes": 900_000_000,
    "trainable_parameters": 1539,
    "cache_bytes": 4_000_000,
    "problems": [],
}
HOSTILE = "full_finetune does not fit :red[*x*] [y](http://evil.example)"
FOUND = {"strategies": [ROW], "seconds": 12.0, "cache_bytes": 4_000_000, "problems": [HOSTILE]}


def test_the_whole_queue_is_asked_for_and_nothing_starts(page: AppTest, workspace: Workspace) -> None:
    page.checkbox(key="strategy_full_finetune").check().run()
    page.button(key="forecast_start").click().run()
    assert not page.exception
    (job,) = JobStore(workspace).list("forecast")
    asked = [from_json(text) for text in job.arguments_as(dict)["configs"]]
    assert [(one.strategy, one.seed) for one in asked] == [("linear_probe", seed) for seed in range(5)] + [
        ("full_finetune", seed) for seed in range(3)
    ]
    assert RunStore(workspace).list() == []


def test_total_table_and_what_does_not_fit_are_shown(page: AppTest, workspace: Workspace) -> None:
    page.button(key="forecast_start").click().run()
    JobStore(workspace).finish(JobStore(workspace).claim("1:1").id, result=encode(FOUND))  # type: ignore[union-attr]
    page.run()
    assert not page.exception
    said = prepared.drawn(page)
    assert "1 run: about 12 s" in said.replace("\\", "").replace("\u2060", "")
    assert (
        "does not fit" in said.replace("\\", "") and "[y](http://evil.example)" not in said and ":red[*x*]" not in said
    )
    shown = next(frame.value for frame in page.dataframe if "Peak memory" in frame.value)
    assert shown["Strategy"].tolist() == ["Linear probe", "The whole queue"] and shown["All runs"].tolist() == [
        "12 s",
        "12 s",
    ]


def test_a_failed_forecast_says_why(page: AppTest, workspace: Workspace) -> None:
    page.button(key="forecast_start").click().run()
    JobStore(workspace).finish(JobStore(workspace).claim("1:1").id, error="The weights cannot be downloaded.")  # type: ignore[union-attr]
    page.run()
    assert any("The weights cannot be downloaded" in error.value for error in page.error)


def test_forecast_and_measured_stand_side_by_side(workspace: Workspace) -> None:
    store = RunStore(workspace)
    config = RunConfig(dataset="dataset-00000000", backbone="resnet18")
    run = store.enqueue(config, owner="1:1")
    forecast_files.keep(
        workspace, config, Forecast(seconds=42.0, peak_memory_bytes=1, trainable_parameters=1, cache_bytes=0)
    )
    assert forecast.forecast_and_measured(store.get(run.id)) == ""
    store.finish(run.id, "finished")
    assert forecast.forecast_and_measured(store.get(run.id)).startswith("forecast 42 s, took ")
    again = store.enqueue(config, owner="1:1")  # of a run that was resumed only the last part is known
    store.record(again.id, Started(device="cpu", epochs_done=3))
    store.finish(again.id, "finished")
    assert (
        forecast.forecast_and_measured(store.get(again.id)) == ""
        and forecast.measured_seconds(store.get(again.id)) is None
    )
    other = store.enqueue(RunConfig(dataset="dataset-00000000", backbone="resnet18", epochs=9), owner="1:1")
    store.finish(other.id, "finished")
    assert forecast.forecast_and_measured(store.get(other.id)) == ""


def test_monitor_shows_both_when_the_run_has_finished(workspace: Workspace) -> None:
    run = prepared.finished(workspace, made.dataset(workspace), correct=30)
    assert "Foretold" not in prepared.drawn(prepared.page("monitor"))
    forecast_files.keep(
        workspace, run.config, Forecast(seconds=42.0, peak_memory_bytes=1, trainable_parameters=1, cache_bytes=0)
    )
    page = prepared.page("monitor")
    assert not page.exception and "Foretold and measured: forecast 42 s, took " in prepared.drawn(page)
