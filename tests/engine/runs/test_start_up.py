"""What a run has loaded by its first image: what it computes with, and nothing that only its end needs, or nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.events import Progress
from engine.record_files import encode
from engine.runs.pipeline import execute
from engine.training import numerics
from tests.engine.small_runs import Lab

ROOT = Path(__file__).resolve().parents[3]
LATER = ("pandas", "scipy", "sklearn", "tensorboard", "torch.utils.tensorboard")
NEVER = ("torch._dynamo", "torch._inductor", "sympy", "torchvision.transforms.v2", "captum", "matplotlib", "onnx")
FIRST_IMAGE = """
import sys
from engine.config import from_json
from engine.events import Progress, Step
from engine.runs import pipeline
from engine.store.run_store import RunStore
from engine.workspace import open_workspace
pipeline.prepare = lambda: begun.append(True)  # what is loaded beside computing would be seen, or not
workspace, begun = open_workspace(sys.argv[1]), []
run = RunStore(workspace).enqueue(from_json(sys.argv[2]), owner="tests")
for event in pipeline.execute(run, workspace, device="cpu"):
    if isinstance(event, Step) or (isinstance(event, Progress) and event.stage == "frozen part"):
        print(begun, [name for name in sys.argv[3:] if name in sys.modules])
    if isinstance(event, Step):
        break
"""


@pytest.mark.parametrize(("strategy", "optimizer"), [("last_block", "adamw"), ("full_finetune", "sgd")])
def test_no_image_waits_for_what_only_the_end_needs(lab: Lab, strategy: str, optimizer: str) -> None:
    config = encode(lab.config(strategy=strategy, optimizer=optimizer, epochs=1))
    asked = [sys.executable, "-c", FIRST_IMAGE, str(lab.workspace.root), config, *LATER, *NEVER]
    done = subprocess.run(asked, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout and set(done.stdout.splitlines()) == {"[True] []"}, done.stdout


def test_timing_number_formats_is_announced_and_done_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[int] = []
    monkeypatch.setattr(numerics, "time_formats", lambda chain, place, side: timed.append(side) or {"fp32": 1.0})
    announcement = Progress(stage="number format")
    first = execute(lab.begun(precision="auto"), lab.workspace, device="cpu")
    assert next(first) == announcement and not timed, "it is said before it is done"
    assert next(first) != announcement and timed == [32]
    first.close()  # type: ignore[attr-defined]
    assert announcement not in lab.execute(lab.begun(precision="auto", seed=1)) and timed == [32]
