"""`compare`, `comparisons` and `demo`: what they print, what they leave, and how a comparison is interrupted and gone
on with."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.cli import demo
from engine.cli.main import main
from engine.cli.printer import Printer
from engine.comparisons.comparison_store import ComparisonStore
from engine.data.sample import make_sample
from engine.events import Epoch
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.work.supervisor import Supervisor
from engine.workspace import Workspace, open_workspace
from tests.engine.said import SMALL, last_json

NEW = ["--dataset", "colours", *SMALL]
STEPS = ["--strategies", "last_block,linear_probe_steps", "--seeds", "2"]
TWO = ["--strategies", "last_block,linear_probe", "--seeds", "2"]


pytestmark = pytest.mark.usefixtures("in_thread")


def queued(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["compare", *NEW, *TWO, "--queue", "--json", *more]) == 0
    return str(last_json(capsys)["comparison"])


def statuses(workspace: Workspace, comparison: str) -> list[str]:
    return [run.status for run in ComparisonStore(workspace).runs_of(comparison)]


def test_a_comparison_is_trained_judged_and_written(
    imported: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, out = "색 '비교' =1", tmp_path / "out"
    assert main(["compare", *NEW, *STEPS, "--name", name, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    (made,) = ComparisonStore(imported).list()
    assert made.name == name and f"[1/4] {name}: resnet18 linear_probe_steps, seed 0" in said and "[4/4]" in said
    assert statuses(imported, made.id) == ["finished"] * 4 and "2 of 2" in said
    assert "Validation chose" in said and said.rstrip().endswith(f"Comparison: {made.id}")
    assert len(pd.read_csv(out / "comparison.csv")) == 4 and len(pd.read_csv(out / "result.csv")) == 30
    first = said[said.index("\n\n") :].strip().splitlines()[0]
    assert first.startswith("Take none of them yet: ") and said.index(first) < said.index("Validation chose")
    assert main(["compare", "--show", made.id, "--margin", "5", "--json"]) == 0
    shown = last_json(capsys)
    assert (shown["sentences"][0], shown["margin"], shown["take"]) == (first, 5.0, shown["chosen"])
    assert ComparisonStore(imported).get(made.id).margin == 5.0 and shown["shown"] is False
    assert [row["label"] for row in shown["table"]] == ["last_block", "linear_probe_steps"] and shown[
        "comparison"
    ] == made.id
    assert shown["chosen"] in ("last_block", "linear_probe_steps") and shown["sentences"]
    assert shown["doubt"] in said and f"{shown['chosen']} is not shown to be better than guessing" in said, (
        "six images show little"
    )
    assert main(["comparisons", "--json"]) == 0
    listed = last_json(capsys)
    assert (listed["name"], listed["runs"], listed["finished"], listed["left"]) == (name, 4, 4, 0)


def test_more_seeds_and_strategies_train_only_what_is_new(
    imported: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    made = queued(capsys)
    assert main(["compare", "--stop", made]) == 0 and statuses(imported, made) == ["stopped"] * 4
    assert main(["compare", "--resume", made]) == 0
    before = ComparisonStore(imported).runs_of(made)
    assert main(["compare", "--add-seeds", made, "1"]) == 0
    assert main(["compare", "--add-strategy", made, "last_n:last_n=3:lr=0.01", "--seeds", "1", "--json"]) == 0
    after = ComparisonStore(imported).runs_of(made)
    assert after[:4] == before and [run.status for run in after] == ["finished"] * 7
    assert [(run.config.last_n, run.config.lr) for run in after[6:]] == [(3, 0.01)]
    assert [row["runs"] for row in last_json(capsys)["table"]] == [3, 3, 1]


def test_ctrl_c_stops_the_comparison_and_resume_goes_on(
    imported: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(printer: Printer, event: object) -> None:
        if isinstance(event, Epoch):
            raise KeyboardInterrupt

    made = queued(capsys, "--epochs", "2")
    with monkeypatch.context() as patched:
        patched.setattr(Printer, "event", impatient)
        assert main(["compare", "--resume", made]) == 2
    assert f"python -m engine compare --resume {made}" in capsys.readouterr().err
    assert statuses(imported, made) == ["interrupted", "stopped", "stopped", "stopped"]
    assert main(["compare", "--resume", made]) == 0
    assert statuses(imported, made) == ["finished"] * 4


@pytest.mark.parametrize("failing", [("linear_probe",), ("linear_probe", "last_block")])
def test_a_run_that_fails_keeps_no_other_from_training_and_is_told(
    imported: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    failing: tuple[str, ...],
) -> None:
    made, do_run = queued(capsys), Supervisor.do_run

    def do(self: Supervisor, claimed: Run, device: str, **options: Any) -> None:
        if claimed.config.strategy in failing:
            return RunStore(imported).finish(claimed.id, "failed", "The loss is not a number.")
        return do_run(self, claimed, device, **options)

    monkeypatch.setattr(Supervisor, "do_run", do)
    assert main(["compare", "--resume", made, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    failed = 2 * len(failing)
    assert f"{failed} of 4 runs failed." in said.err and "The loss is not a number." in said.err
    assert statuses(imported, made) == ["failed"] * failed + ["finished"] * (4 - failed)
    assert ("Validation chose last_block" in said.out) is (failed == 2)
    assert (tmp_path / "out" / "comparison.csv").is_file()
    assert (tmp_path / "out" / "result.csv").is_file() is (failed == 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "compare takes one of --dataset"),
        ([*NEW, "--show", "comparison-00000000"], "compare takes one of --dataset"),
        (["--show", "comparison-00000000"], "There is no comparison 'comparison-00000000'"),
        ([*NEW, "--strategies", "linear"], "There is no strategy 'linear'"),
        ([*NEW, "--strategies", "linear_probe,linear_probe:dataset=x"], "There is no option 'dataset'"),
        ([*NEW, "--strategies", "named:patterns=layer9"], "matches no block"),
        ([*NEW, "--strategies", "linear_probe:data_seed=3"], "cannot have data_seed of its own"),
        ([*NEW, "--seeds", "many"], "--seeds takes a whole number or auto, not 'many'"),
        ([*NEW, "--margin", "0"], "A margin is 0.1 to 50 points, not 0."),
        ([*NEW, "--set", "seed=3"], "choose how many with --seeds"),
        ([*NEW, "--backbone", "resnet18,resnet19"], "There is no backbone 'resnet19'"),
        (
            [*NEW, "--backbone", "resnet18,vgg11", "--weights", "none,none,none"],
            "one word for all backbones or one for",
        ),
        (["--add-seeds", "comparison-00000000", "1"], "There is no comparison"),
    ],
)
def test_mistakes_are_told_before_anything_is_queued(
    imported: Workspace, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["compare", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in said and "Traceback" not in said
    assert RunStore(imported).list() == [] and ComparisonStore(imported).list() == []


def test_the_demo_needs_nothing_but_a_folder(
    tmp_path: Path, no_network: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SEEDS", 1), ("EPOCHS", 1), ("IMAGE_SIZE", 32)):
        monkeypatch.setattr(demo, name, value)
    monkeypatch.setattr("engine.jobs.tasks.make_sample", partial(make_sample, per_class=8))
    monkeypatch.setenv("THAW_WORKSPACE", str(tmp_path / "untouched"))
    out = tmp_path / "새 폴더" / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "full_finetune" in said and "Validation chose" in said and "Weights were random." in said
    table = pd.read_csv(out / "result.csv")
    assert len(table) == 48 and "linear_probe (1 seed)" in table.columns
    assert len(RunStore(open_workspace(out / "workspace")).list()) == 3 and not (tmp_path / "untouched").exists()
