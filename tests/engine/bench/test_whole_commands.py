"""Whole commands, on a drawn dataset with random weights of a file: they start apart from what is kept, answer for the
same images, and go on where they were interrupted."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine import record_files
from engine.bench import runner, whole_commands
from engine.bench.contenders.assignment import ASSIGNMENT, OUTCOME, Assignment, Outcome, Result
from engine.bench.contenders.contend import Watch, contend
from engine.bench.experiment import Experiment, prepare
from engine.bench.measurements import Key, Measurements, Recipe
from engine.bench.whole_commands import answers_of, environment_of, run_whole, train_words
from engine.bench.workloads import DEFAULTS, OTHERS, strategies_alone
from engine.cli import run_options
from engine.cli.main import main
from engine.errors import EngineError
from engine.models import registry
from tests.pictures import write_folders


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Thirty pictures in three colours, split in three, and weights that somebody brought."""
    folder = tmp_path_factory.mktemp("whole")
    source, weights = write_folders(folder / "colours", each=10), folder / "brought.safetensors"
    save_file(registry.build("resnet18", 32, 0).state_dict(), weights)
    recipe = Recipe(images=0, epochs=2, image_size=32, batch_size=8, source=str(source), weights=str(weights))
    return prepare(folder / "out", recipe)


def assigned(drawn: Experiment, folder: Path) -> Assignment:
    given = drawn.assignment("linear_probe", 0, fixed=True)
    folder.mkdir(exist_ok=True)
    record_files.write(folder / ASSIGNMENT, given)
    return given


def test_all_of_the_source_is_split_and_everybody_starts_from_the_file(drawn: Experiment) -> None:
    given = drawn.assignment("linear_probe", 0)
    assert [len(given.images_of(split)) for split in ("train", "val", "test")] == [18, 6, 6]
    start = torch.load(given.start, weights_only=True)
    brought = registry.build("resnet18", 32, 0).state_dict()
    assert torch.equal(start["layer4.1.conv2.weight"], brought["layer4.1.conv2.weight"])
    assert start["fc.weight"].shape == (3, 512) and set(given.trained) == {"fc.weight", "fc.bias"}


@pytest.mark.filterwarnings("default")  # other people's
@pytest.mark.parametrize(
    "contender",
    [
        "fixed",
        "sklearn",
        pytest.param("fastai", marks=pytest.mark.skipif(not find_spec("fastai"), reason="fastai is optional")),
    ],
)
def test_a_contender_answers_for_the_test_images(drawn: Experiment, contender: str, tmp_path: Path) -> None:
    given, threads = assigned(drawn, tmp_path / contender), torch.get_num_threads()
    contend(contender, tmp_path / contender)
    torch.set_num_threads(threads)
    outcome = record_files.read(tmp_path / contender / OUTCOME, Outcome)
    assert len(outcome.points) == {"fixed": given.epochs, "sklearn": 1, "fastai": 1 + given.epochs}[contender]
    assert [seconds for seconds, _ in outcome.points] == sorted(seconds for seconds, _ in outcome.points)
    assert np.allclose(np.sum(outcome.probabilities, axis=1), 1) and len(outcome.probabilities) == 6
    images = [int(path.stem) for path in given.images_of("test")]
    answers = answers_of(drawn.dataset, images, np.array(outcome.probabilities))
    assert answers and answers.images == 6 and answers.train == 18
    if contender == "sklearn":  # colours are there in the features of random weights
        assert answers.accuracy == outcome.points[-1][1] >= 5 / 6


def test_the_clock_stands_still_while_somebody_looks(drawn: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((10.0, 110.0, 115.0))  # epoch over, looked at for 100 seconds, all over
    monkeypatch.setattr("engine.bench.contenders.contend.time.monotonic", lambda: next(now))
    watch = Watch(replace(drawn.assignment("linear_probe", 0), started=4.0))
    watch.epoch(lambda: torch.eye(3)[[0] * 6])
    watch.end(lambda: torch.eye(3)[[0] * 6])
    outcome = watch.outcome(0.5)
    assert outcome.points == ((6.0, 2 / 6),) and outcome.seconds == 11.0


def test_answers_are_counted_in_the_order_of_the_dataset(drawn: Experiment) -> None:
    images = [image.index for image in drawn.dataset.images_of("test")]
    sure = np.eye(3)[[drawn.dataset.images[index].label for index in images]] * 0.7 + 0.1
    sure[0] = np.roll(sure[0], 1)
    for order in ([0, 1, 2, 3, 4, 5], [5, 0, 3, 1, 4, 2]):
        answers = answers_of(drawn.dataset, [images[place] for place in order], sure[order])
        assert answers and answers.wrong == (0,) and answers.accuracy == pytest.approx(5 / 6)
        assert answers.log_loss == pytest.approx(-(5 * np.log(0.8) + np.log(0.1)) / 6)
    assert answers_of(drawn.dataset, [], np.empty((0, 3))) is None


def test_thaw_trains_as_a_command(
    drawn: Experiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command runs in this process, which has torch."""

    def command(words: list[str], environment: dict[str, str]) -> tuple[float, str]:
        assert words[:2] == ["-m", "engine"] and main(words[2:]) == 0
        return 2.5, capsys.readouterr().out

    monkeypatch.setenv("THAW_ISOLATION", "thread")
    monkeypatch.setattr(run_options, "check_backbone", lambda *_: None)  # listing all that there are takes seconds
    monkeypatch.setattr(whole_commands, "_timed", command)
    quick = replace(drawn, recipe=replace(drawn.recipe, epochs=1))
    result = run_whole(quick, Key(contender="thaw", what="linear_probe", recipe=quick.recipe, whole=True), 0)
    assert result.answers and result.answers.images == 6 and result.answers.points == ((2.5, result.answers.accuracy),)
    assert not list(drawn.folder.glob("command-*")) and not list(drawn.workspace.runs.iterdir())


def test_thaw_is_told_neither_epochs_nor_rates_where_its_defaults_are_measured(drawn: Experiment) -> None:
    key = Key(contender=DEFAULTS, what="last_block", repetition=3, recipe=drawn.recipe, whole=True)
    free, bound = train_words(drawn, key), train_words(drawn, replace(key, contender="thaw"))
    assert "--epochs" not in free and bound == [*free, "--epochs", "2"] and "lr" not in " ".join(free)
    assert free[free.index("--weights") + 1] == drawn.recipe.weights and free[free.index("--seed") + 1] == "3"


def test_a_command_that_fails_says_why(drawn: Experiment) -> None:
    with pytest.raises(EngineError, match=r"`python -c .*` ended with 3: Nothing fits"):
        whole_commands._timed(["-c", "import sys; print('Nothing fits', file=sys.stderr); sys.exit(3)"], os.environ)


def test_nothing_kept_for_the_user_helps_but_published_weights_are_there(tmp_path: Path) -> None:
    environment = environment_of(Recipe(images=8, epochs=1, threads=3), tmp_path / "cache")
    assert environment["XDG_CACHE_HOME"] == str(tmp_path / "cache") and environment["THAW_THREADS"] == "3"
    assert Path(environment["TORCH_HOME"]) == Path(torch.hub.get_dir()).parent


def test_an_interrupted_bench_goes_on_with_the_next_command(
    drawn: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Key] = []

    def run(experiment: object, key: Key, workers: int) -> Result:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(key)
        return Result(seconds=1.0, accuracy=0.5)

    for name, fake in (("prepare", lambda *_: None), ("_warm_up", lambda *_: 0)):
        monkeypatch.setattr(runner, name, fake)
    monkeypatch.setattr(whole_commands, "run_whole", run)
    keys = runner.accuracy_keys(drawn.recipe, ("last_block",), repetitions=1, without=("fastai",))
    assert [(key.contender, key.what) for key in keys[1:]] == [
        (DEFAULTS, "last_block"),
        *(other for other in OTHERS if other[0] != "fastai"),
    ]
    with pytest.raises(KeyboardInterrupt):
        runner.measure_workloads(tmp_path, drawn.recipe, keys)
    done.clear()
    assert len(list(runner.measure_workloads(tmp_path, drawn.recipe, keys[:-1]))) == len(keys) - 1
    assert done == keys[3:-1] and len(list(Measurements(tmp_path))) == len(keys) - 1


def test_what_every_seed_answers_alike_is_measured_once(drawn: Experiment) -> None:
    keys = runner.accuracy_keys(drawn.recipe, ("last_block",), repetitions=2)
    counts = {(key.contender, key.what): 0 for key in keys}
    for key in keys:
        counts[key.contender, key.what] += 1
    assert counts["sklearn", "logistic_regression"] == 1 and counts["thaw", "import"] == 1
    assert counts[DEFAULTS, "last_block"] == counts["fastai", "fine_tune"] == counts["classic", "linear_probe"] == 2


def test_strategies_that_need_something_of_their_own_are_no_defaults() -> None:
    assert {"linear_probe", "full_finetune"} <= set(strategies_alone())
    assert set(strategies_alone()).isdisjoint({"named", "last_n", "from_run", "from_scratch"})
