"""Page times: how fast the dashboard answers while it trains, and what training loses when somebody looks.

The dashboard runs as a person starts it, with a workspace of its own; a run that does not end by itself trains in its
child.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from statistics import quantiles
from typing import Any

from engine.bench.browsers import FLAGS, NAMES
from engine.bench.experiment import Experiment, prepare
from engine.bench.measurements import PageTimes, Recipe
from engine.errors import EngineError
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.workspace import Workspace

PAGES = ("start", "configure", "monitor", "compare", "predictions")
PRESSES = 40
WINDOW_SECONDS = 30.0
_PATIENCE_SECONDS = 180.0
_PROJECT = Path(__file__).resolve().parents[2]
_LISTEN = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  window.answered = new Promise(done => {
    let pressed = 0, ran = false;
    document.addEventListener('keydown', () => { pressed = performance.now(); }, { once: true, capture: true });
    const watch = new MutationObserver(() => {
      const state = app.getAttribute('data-test-script-state');
      if (pressed && state !== 'notRunning') ran = true;
      if (ran && state === 'notRunning') { watch.disconnect(); done(performance.now() - pressed); }
    });
    watch.observe(app, { attributes: true, attributeFilter: ['data-test-script-state'] });
  });
}"""


def measure_pages(folder: Path, recipe: Recipe) -> PageTimes:
    """EngineError where there is no browser driver, or training does not go on."""
    if find_spec("playwright") is None:
        raise EngineError("Measuring pages needs a browser driver: pip install -r requirements-dev.txt.")
    experiment = prepare(folder, recipe)
    with (
        experiment.fresh_workspace() as workspace,
        _serving(workspace, recipe.threads) as address,
        import_module("playwright.sync_api").sync_playwright() as driver,
    ):
        path = next(filter(None, map(shutil.which, NAMES)), None)
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        with _tab(browser, f"{address}/start"):  # the first visit starts the workers
            run = _endless(experiment, workspace)
        speeds = {}
        for tabs, who in ((0, "nobody"), (1, "one tab on Monitor"), (3, "three tabs on Monitor")):
            with ExitStack() as looking:
                for _ in range(tabs):
                    looking.enter_context(_tab(browser, f"{address}/monitor?run={run.id}"))
                speeds[who] = _speed(workspace, run, recipe)
            print(f"{who}: {speeds[who]:.1f} images a second", flush=True)
        training = {page: _rerun_ms(browser, f"{address}/{page}") for page in PAGES}
        RunStore(workspace).request(run.id, "stop")
        _until(lambda: RunStore(workspace).get(run.id).status == "stopped", "the run stops")
        idle = {page: _rerun_ms(browser, f"{address}/{page}") for page in PAGES}
        browser.close()
    return PageTimes(
        backbone=recipe.backbone, threads=recipe.threads, idle=idle, training=training, images_per_second=speeds
    )


def _endless(experiment: Experiment, workspace: Workspace) -> Run:
    """A full fine-tuning that goes on until it is stopped, past its first epoch."""
    store = RunStore(workspace)
    run = store.enqueue(replace(experiment.config("full_finetune", 0), epochs=1000), name="bench")
    _until(lambda: len(store.epochs(run.id)) > 0, "the run trains")
    return run


def _speed(workspace: Workspace, run: Run, recipe: Recipe) -> float:
    """Training images a second between the first and the last step seen in the window, validation included."""
    seen: list[tuple[float, int]] = []
    until = time.monotonic() + WINDOW_SECONDS
    while time.monotonic() < until or len(seen) < 3:
        now = RunStore(workspace).get(run.id)
        if now.status != "running" or time.monotonic() > until + _PATIENCE_SECONDS:
            why = now.error or f"it is {now.status}"
            raise EngineError(f"The run beside which pages are measured does not go on: {why}. Start the bench again.")
        about = now.progress
        if about.step:
            images = (about.epoch - 1) * recipe.images + min(about.step * recipe.batch_size, recipe.images)
            if not seen or images > seen[-1][1]:
                seen.append((time.monotonic(), images))
        time.sleep(0.05)
    return (seen[-1][1] - seen[1][1]) / (seen[-1][0] - seen[1][0])  # the first sight fell between two steps


def _rerun_ms(browser: Any, address: str) -> float:
    """95th percentile of the milliseconds from a key press to a page that stands still."""
    times = []
    with _tab(browser, address) as tab:
        for _ in range(PRESSES):
            tab.evaluate(_LISTEN)
            tab.keyboard.press("r")
            times.append(float(tab.evaluate("() => window.answered")))
    return quantiles(times, n=20)[-1]


@contextmanager
def _tab(browser: Any, address: str) -> Iterator[Any]:
    """A tab that has settled."""
    with browser.new_context(viewport={"width": 1440, "height": 1000}) as context:
        tab = context.new_page()
        tab.set_default_timeout(1000 * _PATIENCE_SECONDS)
        tab.goto(address)
        tab.get_by_role("heading", level=1).first.wait_for()
        tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", state="attached")
        yield tab


@contextmanager
def _serving(workspace: Workspace, threads: int) -> Iterator[str]:
    """The address of a dashboard on `workspace` that trains with so many CPU threads."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        host, port = listener.getsockname()
    command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.headless", "true"]
    command += ["--server.address", host, "--server.port", str(port)]
    environment = {**os.environ, "THAW_WORKSPACE": str(workspace.root), "THAW_THREADS": str(threads)}
    with open(workspace.root / "dashboard.txt", "wb") as log:
        process = subprocess.Popen(command, cwd=_PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _until(lambda: _answers(host, port), "the dashboard answers")
            yield f"http://{host}:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(host: str, port: int) -> bool:
    with socket() as client:
        return client.connect_ex((host, port)) == 0


def _until(happens: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happens():
        if time.monotonic() > deadline:
            raise EngineError(f"In {_PATIENCE_SECONDS:g} seconds it did not happen that {what}. Try again later.")
        time.sleep(0.1)
