"""The command line as people and scripts use it: what it prints, what it leaves, how it exits."""

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from engine.cli import data
from engine.cli.main import VERBS, main
from engine.config import command_line
from engine.data.dataset import list_datasets
from engine.errors import DEFECT, ConfigError, EngineError
from engine.evaluation.result_csv import read_result
from engine.runconfig import RunConfig
from engine.store.run_store import RunStore
from engine.training import budget
from engine.workspace import Workspace
from tests.engine.said import SMALL, last_json
from tests.pictures import write_folders

ROOT = Path(__file__).resolve().parents[3]
TRAIN = ["train", "--dataset", "colours", *SMALL]
pytestmark = pytest.mark.usefixtures("in_thread")


def test_the_classic_pair_train_and_predict(
    imported: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TRAIN, "--freeze", "--json"]) == 0
    ended, out = last_json(capsys), tmp_path / "answers.csv"
    assert ended["guess_accuracy"] == pytest.approx(1 / 3), "three classes of equally many images"
    assert ended["status"] == "finished" and RunStore(imported).get(ended["run"]).config.strategy == "linear_probe"
    assert main(["predict", ended["run"], str(tmp_path / "colours"), "--out", str(out)]) == 0
    assert list(read_result(out).columns)[:2] == ["file_dir", "predict"] and len(read_result(out)) == 30
    assert out.read_bytes().startswith(b"\xef\xbb\xbffile_dir,predict,")
    _predict_lists(ended["run"], tmp_path, out, capsys)


def _predict_lists(run: str, folder: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a list names is answered in its order, what is not there is counted; a list of nothing exits with 2."""
    first, *_, last = sorted(path.relative_to(folder).as_posix() for path in (folder / "colours").rglob("*.*"))
    capsys.readouterr()
    (folder / "test.csv").write_text(f"id_code\n{last}\ngone.png\n{first}\n")
    assert main(["predict", run, str(folder / "test.csv"), "--out", str(out)]) == 0
    assert "2 answered, 1 not" in capsys.readouterr().out
    assert list(read_result(out)["file_dir"]) == [last, "gone.png", first]
    assert [error != "" for error in read_result(out)["error"]] == [False, True, False]
    (folder / "wrong.txt").write_text("gone.png\nlost.png\n")
    assert main(["predict", run, str(folder / "wrong.txt"), "--out", str(out)]) == 2
    assert "None of 2 images" in capsys.readouterr().err
    assert main(["predict", run, str(folder), "--out", str(folder / "no" / "x.csv")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_automatic_epochs_are_said_before_the_first_one(
    imported: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("LEAST_EPOCHS", "MOST_EPOCHS"):
        monkeypatch.setattr(budget, bound, 2)
    assert main([*TRAIN, "--strategy", "linear_probe_steps", "--epochs", "0"]) == 0
    first, *_ = said = capsys.readouterr().out.splitlines()
    assert first.startswith("Epochs are automatic: 2 of these images") and any(line[:9] == "epoch 2/2" for line in said)


def test_a_trained_run_is_exported_and_checked(
    imported: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TRAIN, "--set", "precision=fp32", "--json"]) == 0
    run, folder = str(last_json(capsys)["run"]), tmp_path / "bundle"
    assert main(["export", run, str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{folder} holds LICENSES.md, MODEL_CARD.md, model.json" in said
    assert "as the dashboard does on 10 images" in said
    assert main(["export", run, str(folder)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert main(["export", run, str(tmp_path / "second"), "--json"]) == 0
    assert "predict.py" in last_json(capsys)["files"] and (tmp_path / "second" / "predict.py").is_file()


def test_import_prints_the_health_card(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_folders(tmp_path / "colours")
    (source / "red" / "broken.jpg").write_bytes(b"no")
    assert main(["import", str(source), "--json"]) == 0
    card = last_json(capsys)
    assert card["images"] == 30 and "red/broken.jpg" in [problem["name"] for problem in card["problems"]]
    assert main(["datasets"]) == 0
    assert str(card["dataset"]) in capsys.readouterr().out


def test_import_asks_about_classes_and_takes_another_reading(
    workspace: Workspace, tmp_path: Path, in_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("apples", "pears"):
        write_folders(tmp_path / "fruit" / part, each=5, side=8)
    assert main(["import", str(tmp_path / "fruit")]) == 0
    said = capsys.readouterr()
    assert "Is this right? apples, pears all hold the folders" in said.err
    assert "level 2" in said.out and "Otherwise, --classes-at 1:" in said.out
    assert main(["import", str(tmp_path / "fruit"), "--classes-at", "1", "--json"]) == 0
    card = last_json(capsys)
    assert [row["name"] for row in card["classes"]] == ["apples", "pears"] and card["doubts"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--dataset", "nothing", *SMALL], "There is no dataset 'nothing'"),
        ([*TRAIN, "--set", "speed=9"], "There is no option 'speed'"),
        ([*TRAIN, "--set", "lr=fast"], "takes a number, not 'fast'"),
        ([*TRAIN, "--set", "lr"], "--set takes KEY=VALUE"),
        ([*TRAIN, "--set", "batch_size=0"], "must lie between 1 and 4096"),
        ([*TRAIN, "--strategy", "named"], "needs names to train"),
        ([*TRAIN, "--strategy", "named", "--set", "patterns=layer9"], "matches no block"),
        (["train", "--dataset", "colours", "--backbone", "resnet19"], "There is no backbone 'resnet19'"),
        ([*TRAIN, "--set", "device=cuda:7"], "There is no device 'cuda:7'"),
        (["predict", "run-00000000", "."], "run-00000000"),
        (["export", "run-00000000", "bundle"], "run-00000000"),
        (["stop", "../../etc"], "etc"),
        (["import", "/nowhere/at/all"], "There is nothing at /nowhere/at/all"),
        (["dance"], "No such command 'dance'"),
        (["train", "--backbone", "resnet18"], "Missing option '--dataset'"),
        ([*TRAIN, "--epochs", "few"], "'few' is not a valid integer"),
    ],
)
def test_mistakes_exit_with_two_and_one_sentence(
    imported: Workspace, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in said and "Traceback" not in said


def test_help_is_no_mistake_and_no_verb_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--help"]) == 0 and "image, folder or zip" in capsys.readouterr().out
    assert main([]) == 2 and "classify new images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "strategy"),
    [
        ("", "linear_probe"),
        ("--strategy full_finetune", "full_finetune"),
        ("--strategy full_finetune --freeze", "linear_probe"),
        ("--freeze --strategy full_finetune", "full_finetune"),
    ],
)
def test_the_last_word_on_the_strategy_counts(words: str, strategy: str) -> None:
    given = ["--dataset", "d", "--backbone", "b", *words.split()]
    assert VERBS["train"].make_context("train", given).params["strategy"] == strategy


def test_weights_that_are_not_here_and_no_network_end_in_a_sentence(
    imported: Workspace, no_network: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--dataset", "colours", "--backbone", "resnet18", "--epochs", "1", "--use_pretrained"]) == 2
    assert "Three ways on" in capsys.readouterr().err
    assert [run.status for run in RunStore(imported).list()] == ["failed"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("typing/errror.pth", "There is no file at 'typing/errror.pth'"),
        ("IMAGENET1K_V9", "resnet18 has no weights of that name: none, default, IMAGENET1K_V1"),
        ("run:run-0123456789", "There is no run 'run-0123456789'"),
        ("file:weights-0123456789", "no brought weights weights-0123456789"),
        ("file:../../secret", "is not an id"),
    ],
)
def test_weights_that_mean_nothing_are_said_before_a_run_exists(
    imported: Workspace, capsys: pytest.CaptureFixture[str], weights: str, message: str
) -> None:
    assert main([*TRAIN, "--weights", weights]) == 2
    assert message in capsys.readouterr().err and RunStore(imported).list() == []


@pytest.mark.parametrize("split", ["80/20", "80/20/0", "0.8/0.2", "80%/20%"])
def test_shares_may_be_two_and_fractions(split: str) -> None:
    assert data._ratios(split) == pytest.approx((0.8, 0.2, 0.0))
    for wrong in ("80", "0/100", "80/10/20", "70/40/-10", "a/b", "nan/1", "1/2/3/4"):
        with pytest.raises(ConfigError, match="--split takes the shares of train, validation and test"):
            data._ratios(wrong)


def test_a_defect_ends_with_one(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    def fail(*_: object) -> NoReturn:
        raise EngineError(f"{DEFECT}: ValueError: no")

    monkeypatch.setattr(data.stored, "list_datasets", fail)
    assert main(["datasets"]) == 1


def test_a_weights_file_of_ones_own(imported: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from torchvision.models import resnet18

    path, state = tmp_path / "mine.pth", resnet18(num_classes=7).state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    assert main([*TRAIN, "--weights", str(path)]) == 0
    (run,) = RunStore(imported).list()
    assert run.config.weights.startswith("file:weights-") and run.status == "finished"


def test_the_audit_names_a_broken_promise_and_exits_with_two(
    imported: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(TRAIN) == 0
    (run,) = RunStore(imported).list()
    capsys.readouterr()
    assert main(["audit", "--json"]) == 0
    path = imported.run(run.id) / "audit.csv"
    movement = max(float(line.split(",")[-2]) for line in path.read_text().splitlines()[1:])
    expected = {"run": run.id, "backbone": "resnet18", "strategy": "linear_probe", "movement": movement, "kept": True}
    assert last_json(capsys) == {**expected, "frozen": 120, "trained": 2, "idle": 0, "broken": 0}
    path.write_text(path.read_text().replace("False,False,0,frozen", "False,True,0.5,broken", 1))
    assert main(["audit", run.id]) == 2
    assert "Frozen tensors moved" in capsys.readouterr().err


def test_queueing_leaves_the_work_to_a_worker(imported: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--queue", "--json"]) == 0
    queued = last_json(capsys)
    run = queued["run"]
    assert queued["status"] == "queued" and main(["stop", run]) == 0 and main(["runs", "--json"]) == 0
    assert last_json(capsys)["status"] == "stopped" and main(["resume", run]) == 0
    assert RunStore(imported).get(run).status == "finished"


def test_the_command_of_a_configuration_makes_the_same_configuration(imported: Workspace) -> None:
    (dataset,) = list_datasets(imported)
    config = RunConfig(dataset=dataset.id, backbone="resnet18", strategy="named", patterns="layer4*, it's; $(x)")
    words = shlex.split(command_line(replace(config, weights="none", epochs=3, seed=7, lr=0.0125)))
    assert words[:4] == ["python", "-m", "engine", "train"]
    options = VERBS["train"].make_context("train", words[4:]).params
    names = ("strategy", "epochs", "seed", "weights")
    assert [options[name] for name in names] == ["named", 3, 7, "none"]
    assert set(options["settings"]) == {"patterns=layer4*, it's; $(x)", "lr=0.0125"}


def test_it_runs_as_a_program_and_loads_torch_only_in_its_child(imported: Workspace) -> None:
    environment = {**os.environ, "THAW_ISOLATION": "process"}
    words = [sys.executable, "-X", "importtime", "-m", "engine", "datasets"]
    listed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert "colours" in listed.stdout and not {"torch", "pandas"} & set(listed.stderr.split())


def test_a_listing_loads_neither_arrays_nor_tensors(workspace: Workspace) -> None:
    code = """
import sys
from engine.cli.main import main
assert main(["datasets"]) == main(["runs"]) == 0
print([name for name in ("numpy", "pandas", "torch", "scipy", "sklearn", "PIL", "streamlit") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
