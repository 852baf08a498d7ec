"""The forecast on the Configure page and, afterwards, beside what was measured."""

from dataclasses import replace

from streamlit.testing.v1 import AppTest

from engine.config import from_json
from engine.events import Started
from engine.jobs import forecast_files
from engine.jobs.forecast_files import Forecast
from engine.jobs.records import OfQueue
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import forecast
from tests.pages import made, prepared

ROW = {
    "strategy": "linear_probe",
    "backbone": "resnet18",
    "phases": 1,
    "planned_epochs": 43,
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
KEPT = Forecast(seconds=42.0, peak_memory_bytes=1, trainable_parameters=1, cache_bytes=0)
HOSTILE = "full_finetune does not fit :red[*x*] [y](http://evil.example)"
FOUND = {"strategies": [ROW], "seconds": 12.0, "cache_bytes": 4_000_000, "problems": [HOSTILE]}


def test_the_whole_queue_is_asked_for_and_nothing_starts(page: AppTest, workspace: Workspace) -> None:
    page.checkbox(key="strategy_full_finetune").check().run()
    job = prepared.asked(page, "forecast_start")
    configs = [from_json(text) for text in job.arguments_as(OfQueue).configs]
    wanted = [("linear_probe", 0)] + [("full_finetune", seed) for seed in range(3)]
    assert [(config.strategy, config.seed) for config in configs] == wanted
    assert RunStore(workspace).list() == []


def test_total_table_and_what_does_not_fit_are_shown(page: AppTest) -> None:
    shown = prepared.drawn(prepared.answered(page, "forecast_start", FOUND))
    assert "1 run: about 12 s" in shown.replace("\\", "").replace("\u2060", "")
    assert "does not fit" in shown.replace("\\", "")
    assert "[y](http://evil.example)" not in shown and ":red[*x*]" not in shown
    table = next(frame.value for frame in page.dataframe if "Peak memory" in frame.value)
    assert table["Strategy"].tolist() == ["Linear probe", "The whole queue"]
    assert table["All runs"].tolist() == ["12 s", "12 s"] and table["Epochs"].tolist() == ["43", "–"]


def test_forecast_and_measured_stand_side_by_side(workspace: Workspace) -> None:
    store = RunStore(workspace)
    config = RunConfig(dataset="dataset-00000000", backbone="resnet18")
    run = store.enqueue(config, owner="1:1")
    forecast_files.keep_forecast(workspace, config, KEPT)
    assert forecast.forecast_and_measured(run) == ""
    store.finish(run.id, "finished")
    assert forecast.forecast_and_measured(store.get(run.id)).startswith("forecast 42 s, took ")
    again = store.enqueue(config, owner="1:1")  # of a run that was resumed only the last part is known
    store.record(again.id, Started(device="cpu", epochs_done=3))
    other = store.enqueue(replace(config, epochs=9), owner="1:1")
    for run in (again, other):
        store.finish(run.id, "finished")
        assert forecast.forecast_and_measured(store.get(run.id)) == ""
    assert forecast.measured_seconds(store.get(again.id)) is None


def test_monitor_shows_both_when_the_run_has_finished(workspace: Workspace) -> None:
    run = prepared.finished(workspace, made.dataset(workspace), correct=30)
    assert "Foretold" not in prepared.drawn(prepared.page("monitor"))
    forecast_files.keep_forecast(workspace, run.config, KEPT)
    page = prepared.page("monitor")
    assert not page.exception and "Foretold and measured: forecast 42 s, took " in prepared.drawn(page)
