"""Crash: the process that trains is killed; the dashboard says so in a sentence, and the next run works."""

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import expect

from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from tests.browser.person import Person
from tests.browser.server import Server
from tests.pictures import make_dataset


def test_the_dashboard_survives_the_death_of_training(person: Person, server: Server, tmp_path: Path) -> None:
    store = RunStore(server.workspace)
    dataset = make_dataset(server.workspace, tmp_path / "photographs")
    short = RunConfig(
        dataset=dataset.id, backbone="resnet18", strategy="linear_probe_steps", weights="none", image_size=32, epochs=1
    )
    doomed = store.enqueue(replace(short, epochs=1000, strategy="full_finetune"), name="doomed")
    next_one = store.enqueue(short, name="next in line")
    person.open(f"/monitor?run={doomed.id}")
    expect(person.page.get_by_test_id("stMetric").filter(has_text=re.compile(r"[1-9]\d* of 1000"))).to_be_visible()
    os.kill(the_process_that_trains(server), signal.SIGKILL)

    person.sees("was killed by the system (signal 9)")
    person.sees_badge("Failed")
    person.choose("Run", "next in line")
    person.sees("Best epoch 1 of 1.")
    assert [store.get(run.id).status for run in (doomed, next_one)] == ["failed", "finished"]


def the_process_that_trains(server: Server) -> int:
    """The child of the server that has the decoded images of the workspace open."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    pixels = str(server.workspace.pixels)
    return next(
        pid for pid in children if any(pixels in str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir())
    )
