"""The caches as a person sees them: what is listed is what lies there, and what is removed is made again."""

import json
import os
import time

import pytest

from engine.cli.main import main
from engine.data.cache_files import cache_files
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from tests.engine.said import SMALL

TRAIN = [
    "train",
    "--dataset",
    "colours",
    *SMALL,
    "--strategy",
    "linear_probe_steps",
    "--epochs",
    "3",
    "--set",
    "precision=fp32",
    "--json",
]


@pytest.fixture
def trained(imported: Workspace, capsys: pytest.CaptureFixture[str]) -> Workspace:
    assert main(TRAIN) == 0
    capsys.readouterr()
    return imported


def test_a_run_tells_what_it_kept_and_the_verb_lists_it(trained: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunStore(trained).list()[0]
    assert run.started and run.summary
    kept = run.summary.cache.files
    assert {file.split for file in kept} == {"train", "val", "test"}
    assert all(file.state == "computed" and file.block == "fc" and file.bytes > 0 for file in kept)
    assert run.summary.cache.saved_seconds > 0 == run.started.cache.saved_seconds
    assert main(["cache", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["dataset"] for row in listed} == {"colours"}
    features = [row for row in listed if row["kind"] == "features"]
    assert sorted(row["images"] for row in features) == sorted(
        getattr(run.started, f"{split}_images") for split in ("train", "val", "test")
    )
    assert all(row["what"].endswith("resnet18, inputs of fc") for row in features)
    assert {row["images"] for row in listed if row["kind"] == "pixels"} == {row["images"] for row in features}


def test_what_is_cleared_is_gone_and_made_again_with_the_same_answers(
    trained: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    first = RunStore(trained).list()[0]
    assert main(["cache", "--clear", "features"]) == 0
    assert not cache_files(trained, ("features",)) and cache_files(trained, ("pixels",))
    assert main(["cache", "--clear"]) == 0
    assert "MB removed" in capsys.readouterr().out and not cache_files(trained)
    assert main(TRAIN) == 0
    again = RunStore(trained).list()[0]
    assert again.id != first.id and len(cache_files(trained)) == 6
    answers = [(trained.run(run.id) / "predictions.csv").read_bytes() for run in (first, again)]
    assert answers[0] == answers[1]


def test_what_a_crash_left_is_listed_and_cleared(trained: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = next(trained.features.glob("*/"))
    (left := folder / ".train-eval.rows.0a1b.tmp").write_bytes(b"half")
    os.utime(left, (time.time() - 7 * 3600,) * 2)
    (folder / "strange.rows").write_bytes(b"no header")
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    assert "being filled, or left by a crash" in said and "not readable" in said
    assert main(["cache", "--clear", "all"]) == 0 and not cache_files(trained)
    capsys.readouterr()
    assert main(["cache"]) == 0 and capsys.readouterr().out.strip() == "The caches are empty."


def test_what_a_run_is_filling_stays_and_is_said_to(trained: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (filling := next(trained.features.glob("*/")) / ".train-eval.rows.0a1b.tmp").write_bytes(b"half")
    assert main(["cache", "--clear", "all"]) == 0
    assert "1 file stays" in capsys.readouterr().out
    assert [file.path for file in cache_files(trained)] == [filling] and not list(trained.pixels.iterdir())


def test_an_unknown_cache_is_refused_by_name(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--clear", "cookies"]) == 2
    assert "'cookies'" in capsys.readouterr().err
