"""The frame: it surrounds every page, says what trains, and is configured to stay on this machine."""

import asyncio
import gc
import tomllib
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

import dashboard
from engine.events import Device
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui.figures import contrast
from tests.pages import made, prepared
from tests.pages.prepared import ROUTER

CONFIG = tomllib.loads((ROUTER.parents[1] / ".streamlit" / "config.toml").read_text())


@pytest.mark.parametrize("page", ["dataset", "configure", "monitor", "compare", "predictions"])
def test_every_page_opens_inside_the_frame(workspace: Workspace, page: str) -> None:
    cpu = Device(device="cpu", name="two *cores*", memory_bytes=0, why="No driver :red[here].")
    RunStore(workspace).announce([cpu])
    made.dataset(workspace)
    app = prepared.page(page)
    assert not app.exception
    line = app.caption[0].value
    assert "two \\*cores\\*" in line and "No driver" in line and ":red[" not in line
    assert len(app.title) == 1


def test_before_a_worker_has_looked_the_frame_says_so(workspace: Workspace) -> None:
    app = AppTest.from_file(ROUTER, default_timeout=30).run()
    assert "Looking for a GPU" in app.caption[0].value


def test_the_configuration_stays_on_this_machine_and_keeps_training_fast() -> None:
    server = CONFIG["server"]
    assert (server["address"], server["fileWatcherType"]) == ("127.0.0.1", "none")
    assert set(server["allowedHosts"]) == {"localhost", "127.0.0.1"}
    assert CONFIG["browser"]["gatherUsageStats"] is False and CONFIG["runner"]["postScriptGC"] is False
    assert "http" not in str(CONFIG["theme"])


def ratio(first: str, second: str) -> float:
    """The contrast of WCAG 2."""
    return contrast._ratio(*(contrast._luminance(contrast._channels(colour)) for colour in (first, second)))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_theme_has_ten_colours_that_can_be_seen_on_its_page(theme: str) -> None:
    colours = CONFIG["theme"][theme]
    assert len(set(colours["chartCategoricalColors"])) == 10
    for colour in (*colours["chartCategoricalColors"], colours["primaryColor"]):
        assert ratio(colour, colours["backgroundColor"]) >= 2.95
    assert ratio(colours["textColor"], colours["backgroundColor"]) >= 7


def test_the_server_asks_once_for_what_is_missing_and_stops_its_workers(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []
    workers = SimpleNamespace(stop=lambda: stopped.append(True))
    monkeypatch.setattr(dashboard.worker, "start", lambda workspace: workers)

    async def live() -> None:
        async with dashboard.lifespan(dashboard.app):
            assert gc.get_freeze_count() > 0

    try:
        asyncio.run(live())
        asyncio.run(live())
    finally:
        gc.unfreeze()
    assert sorted(job.kind for job in JobStore(workspace).list()) == ["catalog", "sample"]
    assert stopped == [True, True]
