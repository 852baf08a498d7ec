"""What Monitor says of the frozen part: computed or found, for how many runs, and what that saved."""

import pytest

from engine.data.dataset_records import Dataset
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.monitor import frozen_part
from tests.pages import made, prepared

FILE = {
    "split": "train",
    "view": None,
    "cut": 5,
    "block": "fc",
    "bytes": 2_000_000,
    "state": "computed",
    "saved_seconds": 60.0,
}


def about(*files: dict[str, object], **fields: object) -> dict[str, object]:
    return {"files": list(files), "seconds": 6.0, "saved_seconds": 60.0, "shared_with": 0, **fields}


def test_computed_found_and_not_worth_it_are_told_apart() -> None:
    assert (
        frozen_part.sentence(about(FILE))
        == "The frozen part was computed once, in 6.0 s, and kept (2.0 MB). That saved about 54 s."
    )
    assert "for this run and 3 waiting runs" in frozen_part.sentence(about(FILE, shared_with=3))
    found = frozen_part.sentence(about({**FILE, "state": "found"}, seconds=0.0))
    assert found == "The frozen part was found computed by an earlier run (2.0 MB). That saved about 1 min 00 s."
    assert "worth computing once" in frozen_part.sentence(about())
    assert "saved" not in frozen_part.sentence(about(FILE, saved_seconds=2.0))


def test_a_view_is_named_and_nothing_saved_yet_is_a_dash() -> None:
    rows = frozen_part.table([{**FILE, "view": 3, "saved_seconds": 0.0}, {**FILE, "split": "val"}])
    assert list(rows["Seen as"]) == ["view 3", "evaluation crop"] and list(rows["Saved"]) == ["–", "1 min 00 s"]
    assert list(rows["Images"]) == ["training", "validation"]


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"files": 3},
        {"files": [1]},
        {"files": [{"split": "val"}]},
        {"files": [], "seconds": "long"},
        {"files": [{**FILE, "bytes": None}]},
    ],
)
def test_a_record_of_another_shape_is_no_record(workspace: Workspace, damaged: dict[str, object]) -> None:
    run = prepared.run(workspace, made.dataset(workspace))
    RunStore(workspace).record(run.id, {**(run.started or {}), "event": "started", "cache": damaged})
    assert not frozen_part.record(RunStore(workspace).get(run.id))
    assert not prepared.page("monitor").exception


def test_seconds_may_be_missing() -> None:
    record = {name: value for name, value in about(FILE).items() if name != "seconds"}
    assert "in 0.0 s" in frozen_part.sentence(record)


def test_monitor_shows_what_the_run_recorded(workspace: Workspace) -> None:
    dataset: Dataset = made.dataset(workspace)
    run = prepared.run(workspace, dataset)
    assert "frozen part was" not in prepared.drawn(prepared.page("monitor"))  # a run of an earlier version
    started = {**(run.started or {}), "event": "started", "cache": about(FILE, shared_with=2, saved_seconds=0.0)}
    RunStore(workspace).record(run.id, started)
    assert "computed once for this run and 2 waiting runs" in prepared.drawn(prepared.page("monitor"))
    RunStore(workspace).record(
        run.id, {"event": "finished", "summary": {"best_epoch": 2, "seconds": 9.0, "cache": about(FILE)}}
    )
    page = prepared.page("monitor")
    assert not page.exception and text.md("That saved about 54 s.") in prepared.drawn(page)
