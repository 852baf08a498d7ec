"""What Monitor says of the frozen part: computed or found, for how many runs, and what that saved."""

from msgspec.structs import replace

from engine.events import Cache, CacheFile, Finished, Summary
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.monitor import frozen_part
from tests.pages import made, prepared

FILE = CacheFile(split="train", view=None, cut=5, block="fc", bytes=2_000_000, state="computed", saved_seconds=60.0)
CACHE = Cache(files=(FILE,), seconds=6.0, saved_seconds=60.0)


def test_computed_found_and_not_worth_it_are_told_apart() -> None:
    computed = "The frozen part was computed once, in 6.0 s, and kept (2.0 MB). That saved about 54 s."
    assert frozen_part.sentence(CACHE) == computed
    assert "for this run and 3 waiting runs" in frozen_part.sentence(replace(CACHE, shared_with=3))
    found = frozen_part.sentence(replace(CACHE, files=(replace(FILE, state="found"),), seconds=0.0))
    assert found == "The frozen part was found computed by an earlier run (2.0 MB). That saved about 1 min 00 s."
    assert "worth computing once" in frozen_part.sentence(Cache())
    assert "saved" not in frozen_part.sentence(replace(CACHE, saved_seconds=2.0))


def test_a_view_is_named_and_nothing_saved_yet_is_a_dash() -> None:
    rows = frozen_part.cache_table([replace(FILE, view=3, saved_seconds=0.0), replace(FILE, split="val")])
    assert list(rows["Seen as"]) == ["view 3", "evaluation crop"] and list(rows["Saved"]) == ["–", "1 min 00 s"]
    assert list(rows["Images"]) == ["training", "validation"]


def test_monitor_shows_what_the_run_recorded(workspace: Workspace) -> None:
    store, run = RunStore(workspace), prepared.run(workspace, made.dataset(workspace))
    assert "frozen part was" not in prepared.drawn(prepared.page("monitor"))  # a run of an earlier version
    assert run.started
    store.record(run.id, replace(run.started, cache=replace(CACHE, shared_with=2, saved_seconds=0.0)))
    assert "computed once for this run and 2 waiting runs" in prepared.drawn(prepared.page("monitor"))
    store.record(run.id, Finished(summary=Summary(best_epoch=2, seconds=9.0, cache=CACHE)))
    page = prepared.page("monitor")
    assert not page.exception and text.md("That saved about 54 s.") in prepared.drawn(page)
