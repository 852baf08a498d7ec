"""The frame: it surrounds every page, says what trains, and is configured to stay on this machine."""

import asyncio
import gc
import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import dashboard
from engine.events import Device
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import contrast
from tests.pages import made

ROOT = Path(__file__).resolve().parents[2]
ROUTER = ROOT / "pages" / "router.py"


@pytest.mark.parametrize("page", ["dataset.py", "configure.py", "monitor.py", "compare.py", "predictions.py"])
def test_every_page_opens_inside_the_frame(workspace: Workspace, page: str) -> None:
    cpu = Device(device="cpu", name="two *cores*", memory_bytes=0, why="No driver :red[here].")
    RunStore(workspace).announce([cpu])
    made.dataset(workspace)
    app = AppTest.from_file(ROUTER, default_timeout=30).run()
    app.switch_page(page).run()
    assert not app.exception
    line = app.caption[0].value
    assert "two \\*cores\\*" in line
    assert "No driver" in line
    assert ":red[" not in line
    assert len(app.title) == 1


def test_before_a_worker_has_looked_the_frame_says_so(workspace: Workspace) -> None:
    app = AppTest.from_file(ROUTER, default_timeout=30).run()
    assert "Looking for a GPU" in app.caption[0].value


def test_the_configuration_stays_on_this_machine_and_keeps_training_fast() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert set(config["server"]["allowedHosts"]) == {"localhost", "127.0.0.1"}
    assert config["browser"]["gatherUsageStats"] is False
    assert config["runner"]["postScriptGC"] is False
    assert config["server"]["fileWatcherType"] == "none"
    assert "http" not in str(config["theme"])


def ratio(first: str, second: str) -> float:
    """The contrast of WCAG 2."""
    return contrast._ratio(*(contrast._luminance(contrast._channels(colour)) for colour in (first, second)))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_theme_has_ten_colours_that_can_be_seen_on_its_page(theme: str) -> None:
    about = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][theme]
    assert len(set(about["chartCategoricalColors"])) == 10
    for colour in (*about["chartCategoricalColors"], about["primaryColor"]):
        assert ratio(colour, about["backgroundColor"]) >= 2.95
    assert ratio(about["textColor"], about["backgroundColor"]) >= 7


def test_the_server_asks_once_for_what_is_missing_and_stops_its_workers(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = []

    class Workers:
        def stop(self) -> None:
            stopped.append(True)

    monkeypatch.setattr(dashboard.worker, "start", lambda workspace: Workers())

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
