"""Who is measured when, and that what has been measured is left alone."""

import json
from pathlib import Path

import pytest
import torch

from engine import devices
from engine.bench import command, pagetimes, runner
from engine.bench.options import BenchOptions
from engine.bench.outcome import Outcome
from engine.bench.report import PAGES
from engine.bench.rows import CONTENDERS, ROWS
from engine.bench.setting import Recipe
from engine.cli.main import VERBS, main
from engine.errors import ConfigError, EngineError
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.workspace import Workspace


def options(words: list[str]) -> BenchOptions:
    return VERBS["bench"].make_context("bench", words).params  # type: ignore[return-value]


def test_everybody_begins_once() -> None:
    made = list(runner.jobs([ROWS["linear_probe"]], len(CONTENDERS), CONTENDERS))
    assert [job.contender for job in made if job.repetition == 0] == list(CONTENDERS)
    assert {made[len(CONTENDERS) * repetition].contender for repetition in range(len(CONTENDERS))} == set(CONTENDERS)


def test_what_adds_up_is_measured_once_and_thaw_does_the_whole_row() -> None:
    made = list(runner.jobs([ROWS["linear_probe"], ROWS["five"], ROWS["seeds"]], 1, CONTENDERS))
    assert [job.what for job in made if job.contender == "classic"].count("linear_probe") == 1
    assert [job.what for job in made if job.contender == "thaw"] == ["linear_probe", "five", "seeds"]
    assert len(made) == len(set(made))
    assert [job.what for job in made if job.contender == "fixed"] == ["linear_probe"], (
        "only where everything has frozen layers"
    )


def test_a_second_start_goes_on_where_the_first_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[runner.Job] = []

    def do(setting: object, job: runner.Job, workers: int) -> list[tuple[str, Outcome]]:
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(job)
        return [(job.contender, Outcome(seconds=1.0, accuracy=0.5))]

    for name, fake in (
        ("prepare", lambda *_: None),
        ("_workers", lambda *_: 0),
        ("_warm_up", lambda *_: None),
        ("_do", do),
    ):
        monkeypatch.setattr(runner, name, fake)
    recipe, rows = Recipe(images=16, epochs=2), [ROWS["linear_probe"], ROWS["last_block"]]
    with pytest.raises(KeyboardInterrupt):
        runner.measure(tmp_path, recipe, rows, 1, CONTENDERS, lambda text: None)
    first = list(done)
    done.clear()
    measurements = runner.measure(tmp_path, recipe, rows[:1], 1, CONTENDERS, lambda text: None)
    assert len(first) == 4 and len(list(measurements)) == 5
    assert done == [runner.Job(contender="thaw", what="linear_probe", repetition=0)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rows", "linear_probe,nothing"], "There is no row 'nothing'"),
        (["--without", "keras"], "There is no contender 'keras'"),
        (["--data", "/nowhere/at all"], "There is no folder /nowhere/at all"),
        (["--epochs", "0"], "--epochs is 0; it must be at least 1"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_sentence(
    workspace: Workspace, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_the_device_is_known_by_name_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "pick", {"auto": torch.device("cuda:1"), "cpu": torch.device("cpu")}.__getitem__)
    monkeypatch.setattr(devices, "set_threads", lambda threads: 1)
    assert [command.recipe_of(options(words)).device for words in ([], ["--device", "cpu"])] == [
        "cuda:1",
        "cpu",
    ]


def test_pages_are_kept_with_what_trained_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"reruns": {}, "throughput": {"images_per_second": {"nobody": 2.0}}}
    monkeypatch.setattr(pagetimes, "measure", lambda *_: found)
    command.run(options(["--pages", "--out", str(tmp_path), "--backbone", "resnet34", "--threads", "1"]))
    assert json.loads((tmp_path / PAGES).read_text()) == {"backbone": "resnet34", "threads": 1, **found}
    assert "while resnet34 trains" in (tmp_path / "report.md").read_text()


def test_a_run_that_dies_ends_the_measuring_of_pages(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(workspace)
    run = store.enqueue(RunConfig(dataset="d", backbone="resnet18"), owner="tests")
    store.finish(run.id, "failed", "The disk is full.")
    with pytest.raises(EngineError, match=r"does not go on: The disk is full.*Start the bench again"):
        pagetimes._speed(workspace, run, Recipe(images=16, epochs=2))


def test_growth_alone_measures_no_rows() -> None:
    assert command.rows_of(options(["--growth"])) == []
    assert len(command.rows_of(options([]))) == len(ROWS)
    assert [row.name for row in command.rows_of(options(["--growth", "--rows", "views"]))] == ["views"]
    with pytest.raises(ConfigError):
        command.rows_of(options(["--rows", "x"]))
