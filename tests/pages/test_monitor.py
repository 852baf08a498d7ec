"""The Monitor page by AppTest: every tab shows what the store holds, and every button leaves its wish there."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from engine.data.dataset_records import Dataset
from engine.events import Paused, Step
from engine.runconfig import RunConfig
from engine.store.process_identity import this_process
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import time_left
from pages.ui.monitor import run_status
from tests.pages import made, prepared

Train = Callable[..., Run]
STEP = Step(epoch=3, epochs=4, step=5, steps=10)


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return made.dataset(workspace)


@pytest.fixture
def store(workspace: Workspace) -> RunStore:
    return RunStore(workspace)


@pytest.fixture
def train(workspace: Workspace, dataset: Dataset) -> Train:
    return partial(prepared.run, workspace, dataset)


def monitor(**query: str) -> AppTest:
    page = prepared.page("monitor", **query)
    assert not page.exception
    return page


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def metric(page: AppTest, label: str) -> str:
    return next(metric.value for metric in page.metric if metric.label == label)


def figures(page: AppTest) -> list[str]:
    return [chart.proto.spec for chart in page.get("plotly_chart")]


def test_without_a_run_the_page_says_where_to_go(workspace: Workspace) -> None:
    page = monitor()
    assert "No run yet" in page.info[0].value


def test_a_running_run_shows_its_progress_and_its_time_left(store: RunStore, train: Train) -> None:
    run = train(epochs=2)
    step = replace(STEP, images_per_second=11.0, memory_bytes=600_000_000)
    store.record(run.id, step)
    page = monitor()
    texts = [bar.proto.text for bar in page.get("progress")]
    assert texts == ["Epoch 3 of 4 · about 30 s left", "Step 5 of 10"]
    assert metric(page, "Epoch") == "2 of 4"
    assert metric(page, "Best validation accuracy") == "65.0 %"
    assert metric(page, "Images per second") == "11"
    assert metric(page, "Memory") == "600.0 MB"


def test_the_curves_hold_the_epochs_of_the_store(train: Train) -> None:
    train(epochs=3)
    accuracy, loss = map(json.loads, figures(monitor()))
    assert accuracy["data"][0]["y"] == pytest.approx([0.55, 0.65, 0.75])
    assert loss["data"][1]["y"] == pytest.approx([0.4, 0.3, 0.2])
    assert "shapes" not in loss["layout"]  # a plan of one phase marks nothing


def test_the_curves_are_the_same_bytes_until_an_epoch_ends(store: RunStore, train: Train) -> None:
    """Equal bytes keep the zoom of the reader; a step changes the words and not the figures."""
    run = train(epochs=2)
    page = monitor()
    before = figures(page)
    for event, same in ((replace(STEP, step=1), True), (prepared.epoch(3, {}), False)):
        store.record(run.id, event)
        page.run()
        assert not page.exception
        assert (figures(page) == before) is same


def test_the_address_chooses_the_run_and_two_tabs_show_the_same(train: Train) -> None:
    older = train(epochs=1, name="older")
    train(epochs=3, name="newer")
    first, second = (monitor(run=older.id) for _ in range(2))
    assert metric(first, "Epoch") == metric(second, "Epoch") == "1 of 4"
    assert prepared.html(first) == prepared.html(second)


def test_pause_and_stop_leave_a_wish_and_say_so(store: RunStore, train: Train) -> None:
    run = train()
    page = monitor()
    assert "Trains 1 of 4 blocks" in prepared.html(page) and "Delete for good" not in labels(page)
    prepared.button(page, "Pause").click().run()
    assert store.requested(run.id) == "pause"
    assert "Pausing" in prepared.drawn(page)
    prepared.button(page, "Stop").click().run()
    assert store.requested(run.id) == "stop"
    assert prepared.button(page, "Stop").disabled


def test_a_paused_run_can_go_on(store: RunStore, train: Train) -> None:
    run = train()
    store.record(run.id, Paused(paused=True))
    page = monitor()
    assert "paused" in page.get("progress")[0].proto.text
    prepared.button(page, "Go on").click().run()
    assert store.requested(run.id) == "resume"


@pytest.mark.parametrize("status", ["stopped", "interrupted", "failed"])
def test_an_ended_run_can_be_resumed(store: RunStore, train: Train, status: str) -> None:
    run = train(status=status)
    page = monitor()
    assert (status == "failed") == any("The loss is not a number" in error.value for error in page.error)
    prepared.button(page, "Resume").click().run()
    assert store.get(run.id).status == "queued"


def test_a_run_that_failed_before_its_first_epoch_shows_no_empty_figures(dataset: Dataset, store: RunStore) -> None:
    run = store.enqueue(
        RunConfig(dataset=dataset.id, backbone="resnet18", strategy="linear_probe_steps"), owner=this_process()
    )
    store.finish(run.id, "failed", error="The weights do not fit.")
    page = monitor()
    said = prepared.drawn(page)
    assert "The weights do not fit" in said and "no curves" in said and "This run wrote no log" in said
    assert not page.metric and "auto" not in said


def test_a_finished_run_says_what_it_reached_and_links_to_its_predictions(
    workspace: Workspace, dataset: Dataset
) -> None:
    run = prepared.finished(workspace, dataset, correct=30)
    page = monitor()
    said = page.success[0].value.replace("\\", "")
    assert "Best epoch 4 of 4. Accuracy: 85.0 % on validation images, 75.0 % on test images. Took 1 min 20 s." in said
    assert "Stop" not in labels(page)
    prepared.button(page, "Look at the predictions").click().run()
    assert page.title[0].value == "Predictions"
    assert page.query_params["run"] == run.id


def test_delete_takes_two_steps_and_leaves_the_other_runs(workspace: Workspace, store: RunStore, train: Train) -> None:
    kept = train(status="stopped", name="kept")
    gone = train(status="stopped", name="gone")
    page = monitor(run=gone.id)
    assert [run.id for run in store.list()] == [gone.id, kept.id]
    prepared.button(page, "Delete for good").click().run()
    assert not page.exception
    assert [run.id for run in store.list()] == [kept.id]
    assert not workspace.run(gone.id).exists()


def test_the_queue_is_in_order_with_times_from_alike_runs(dataset: Dataset, store: RunStore, train: Train) -> None:
    train(name="now")
    for name in ("first", "second"):
        store.enqueue(
            RunConfig(dataset=dataset.id, backbone="resnet18", strategy="linear_probe_steps", epochs=6), name=name
        )
    page = monitor()
    shown = prepared.drawn(page)
    assert r"2 runs waiting · about 4 min 40 s to the end" in shown
    links = [link.proto.label for link in page.get("page_link")]
    assert links[-2:] == ["first", "second"]
    assert shown.count("about 2 min 00 s") == 2


def test_a_queued_run_can_be_taken_out(dataset: Dataset, store: RunStore) -> None:
    run = store.enqueue(RunConfig(dataset=dataset.id, backbone="resnet18", strategy="linear_probe_steps"))
    page = monitor()
    prepared.button(page, "Take out of the queue").click().run()
    assert store.get(run.id).status == "stopped"


def test_names_and_logs_stay_text(workspace: Workspace, train: Train) -> None:
    run = train(status="stopped", name="**bold** :red[hot] <b>x</b>")
    (workspace.run(run.id) / "log.txt").write_text("line one\n<script>alert(1)</script> :red[no]\n", encoding="utf-8")
    page = prepared.unfolded(monitor(), f"fold_log_{run.id}")
    assert not page.exception
    assert ":red[hot]" not in prepared.drawn(page)
    assert any(code.value == "line one\n<script>alert(1)</script> :red[no]" for code in page.code)


def test_the_log_is_its_last_two_hundred_lines(workspace: Workspace) -> None:
    path = workspace.root / "log.txt"
    path.write_text("".join(f"{number} {'x' * 100}\n" for number in range(5000)), encoding="utf-8")
    lines = run_status.log_tail(path).splitlines()
    assert (len(lines), lines[0][:5], lines[-1][:5]) == (200, "4800 ", "4999 ")
    assert run_status.log_tail(workspace.root / "none.txt") == ""


def test_before_the_first_epoch_the_time_left_comes_from_the_speed(store: RunStore, train: Train) -> None:
    run = train(epochs=0)
    assert time_left.seconds_left(run, ()) is None
    store.record(run.id, replace(STEP, epoch=1, images_per_second=24.0))
    assert time_left.seconds_left(store.get(run.id), ()) == pytest.approx(35)


@pytest.mark.parametrize(("rate", "said"), [(1e-3, "0.001"), (4.62e-4, "4.6e-4"), (5.0, "5"), (0.0, "0")])
def test_the_learning_rate_is_that_of_the_head(store: RunStore, train: Train, rate: float, said: str) -> None:
    run = train(epochs=0)
    store.record(run.id, prepared.epoch(1, {"layer4.1": rate / 2, "fc": rate}))
    page = monitor()
    assert metric(page, "Learning rate of the head") == said


def test_every_unfreezing_is_marked_in_the_curves_and_may_change_the_pace(store: RunStore, train: Train) -> None:
    run = train(strategy="gradual_unfreeze", epochs=2)
    store.record(run.id, STEP)
    page = monitor()
    bar = page.get("progress")[0].proto.text
    assert bar == "Epoch 3 of 4 · about 30 s left at the present pace, which phases to come may change"
    for figure in map(json.loads, figures(page)):
        assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [1.5, 2.5, 3.5]
        assert {shape["line"]["dash"] for shape in figure["layout"]["shapes"]} == {"dash"}
        words = [note["text"] for note in figure["layout"]["annotations"]]
        assert words == ["layer4 starts to train", "layer1 starts to train", "all blocks train"]
    assert "From epoch 2: layer4 starts to train." in page.get("plotly_chart")[0].proto.alt


def test_the_strip_follows_the_phase_of_the_epoch_under_way(store: RunStore, train: Train) -> None:
    run = train(strategy="gradual_unfreeze", epochs=0)
    page = monitor()
    assert "▶ 1" in prepared.html(page)
    store.record(run.id, prepared.epoch(1, {}))
    page.run()
    assert "▶ 2" in prepared.html(page) and "▶ 1" not in prepared.html(page)


def test_every_block_says_its_rate_and_its_gradient(store: RunStore, train: Train) -> None:
    run = train(strategy="last_block", epochs=0)
    rates = {"layer4.1": 5e-4, "layer4.1 (bias, norm)": 5e-4, "fc": 1e-3}
    store.record(run.id, prepared.epoch(1, rates, {"layer4.1": 0.5, "fc": 12.34}))
    page = prepared.unfolded(monitor(), f"fold_rates_{run.id}")
    table = next(frame.value for frame in page.dataframe if "Gradient norm" in frame.value)
    assert [tuple(line) for line in table.to_numpy()] == [
        ("conv1", "frozen", "–", "–"),
        ("layer1.0", "frozen", "–", "–"),
        ("layer4.1", "trains", "5.0e-4", "0.5"),
        ("fc", "trains", "0.001", "12.3"),
    ]


def test_the_page_has_the_same_places_whatever_the_run_is_doing(store: RunStore, train: Train) -> None:
    """A fragment is redrawn by its place; a part that came and went before it would move it under the browser's
    feet."""
    run = train(epochs=2)
    waiting = store.enqueue(run.config)
    places = [len(monitor(run=chosen.id).main.children) for chosen in (run, waiting)]
    store.finish(run.id, "failed", "It broke.")
    places.append(len(monitor(run=run.id).main.children))
    assert len(set(places)) == 1
