"""Who is measured when, and that what has been measured is left alone."""

from pathlib import Path

import pytest
import torch

from engine import devices, record_files
from engine.bench import command, pagetimes, runner
from engine.bench.contenders.assignment import Result
from engine.bench.measurements import PAGES, Key, Measurements, PageTimes, Recipe
from engine.bench.options import BenchOptions
from engine.bench.workloads import CONTENDERS, WORKLOADS
from engine.cli.main import VERBS, main
from engine.errors import EngineError
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.workspace import Workspace

RECIPE = Recipe(images=16, epochs=2)


def options(words: list[str]) -> BenchOptions:
    return VERBS["bench"].make_context("bench", words).params  # type: ignore[return-value]


def keys(*names: str, repetitions: int = 1) -> list[Key]:
    workloads = [WORKLOADS[name] for name in names]
    return runner.keys(RECIPE, workloads, repetitions=repetitions, contenders=CONTENDERS)


def test_everybody_begins_once() -> None:
    made = keys("linear_probe", repetitions=len(CONTENDERS))
    assert [key.contender for key in made if key.repetition == 0] == list(CONTENDERS)
    assert {made[len(CONTENDERS) * repetition].contender for repetition in range(len(CONTENDERS))} == set(CONTENDERS)


def test_what_adds_up_is_measured_once_and_thaw_does_the_whole_row() -> None:
    made = keys("linear_probe", "five", "seeds")
    by_contender = {name: [key.what for key in made if key.contender == name] for name in CONTENDERS}
    assert by_contender["classic"] == list(WORKLOADS["five"].trainings)
    assert by_contender["thaw"] == ["linear_probe", "five", "seeds"]
    assert by_contender["fixed"] == ["linear_probe"], "only where everything has frozen layers"


def test_a_second_start_goes_on_where_the_first_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Key] = []

    def run(experiment: object, key: Key, workers: int) -> list[tuple[str, Result]]:
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(key)
        return [(key.contender, Result(seconds=1.0, accuracy=0.5))]

    def measure(*names: str) -> Measurements:
        return runner.measure_workloads(tmp_path, RECIPE, keys(*names))

    for name, fake in (("prepare", lambda *_: None), ("_warm_up", lambda *_: 0), ("_run", run)):
        monkeypatch.setattr(runner, name, fake)
    with pytest.raises(KeyboardInterrupt):
        measure("linear_probe", "last_block")
    first = list(done)
    done.clear()
    assert len(first) == 4 and len(list(measure("linear_probe"))) == 5
    assert done == [Key(contender="thaw", what="linear_probe", recipe=RECIPE)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rows", "linear_probe,nothing"], "There is no row 'nothing'"),
        (["--without", "keras"], "There is no contender 'keras'"),
        (["--data", "/nowhere/at all"], "There is no file or folder /nowhere/at all. Check --data"),
        (["--weights", "/nowhere/at all"], "There is no file or folder /nowhere/at all. Check --weights"),
        (["--accuracy"], "--accuracy needs images"),
        (["--data", __file__], "test_runner.py is no folder; zips are for --accuracy"),
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
    assert [recipe.device for recipe in command.recipes_of(options([]))] == ["cuda:1"]
    assert [recipe.device for recipe in command.recipes_of(options(["--device", "cpu"]))] == ["cpu"]


def test_pages_are_kept_with_what_trained_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = PageTimes(backbone="resnet34", threads=1, idle={}, training={}, images_per_second={"nobody": 2.0})
    monkeypatch.setattr(pagetimes, "measure_pages", lambda *_: times)
    command.run(options(["--pages", "--out", str(tmp_path), "--backbone", "resnet34", "--threads", "1"]))
    assert record_files.read(tmp_path / PAGES, PageTimes) == times
    assert "while resnet34 trains" in (tmp_path / "report.md").read_text()


def test_a_run_that_dies_ends_the_measuring_of_pages(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(workspace)
    run = store.enqueue(RunConfig(dataset="d", backbone="resnet18"), owner="tests")
    store.finish(run.id, "failed", "The disk is full.")
    with pytest.raises(EngineError, match=r"does not go on: The disk is full.*Start the bench again"):
        pagetimes._speed(workspace, run, RECIPE)


@pytest.mark.parametrize(
    ("words", "names"), [([], list(WORKLOADS)), (["--parts"], []), (["--parts", "--rows", "views"], ["views"])]
)
def test_something_else_alone_measures_no_rows(words: list[str], names: list[str]) -> None:
    assert list(command.rows_of(options(words))) == names
