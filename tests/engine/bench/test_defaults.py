"""The grid around the automatic rates and epochs: that it goes on where it was interrupted, and what its page says."""

from pathlib import Path

import pytest

from engine.bench import defaults
from engine.bench.defaults import DEFAULT, Cell, Question, Setting, cells_of, measure_defaults, settings
from engine.bench.defaults_page import means_of, regret, write_defaults
from engine.training import budget
from engine.training.rates import RATES
from tests.pictures import write_folders


def cell(
    setting: Setting, accuracy: float, *, dataset: str = "pets", strategy: str = "last_block", seed: int = 0
) -> Cell:
    return Cell(
        dataset=dataset,
        strategy=strategy,
        seed=seed,
        setting=setting,
        train_images=20,
        test_accuracy=accuracy,
        log_loss=0.5,
        epochs=5,
        seconds=1.0,
    )


LOW, LONG = Setting(lr=1e-4, body_lr=1e-5), Setting(epochs=20)
CELLS = [
    *(cell(DEFAULT, accuracy, seed=seed) for seed, accuracy in enumerate((0.90, 0.92))),
    *(cell(LONG, accuracy, seed=seed) for seed, accuracy in enumerate((0.95, 0.93))),
    cell(LOW, 1.0),  # of one seed only, so it counts nowhere yet
    cell(DEFAULT, 0.8, dataset="birds"),
    cell(LONG, 0.7, dataset="birds"),
]


def test_every_setting_is_its_own_and_the_default_comes_first() -> None:
    made = settings("adamw")
    assert made[0] == DEFAULT and len(set(made)) == len(made) == 13
    usual = RATES["adamw"]
    assert {(one.lr_decay, one.lr, one.body_lr) for one in made if one.lr_decay} == {
        (0.8, usual.head, usual.body),
        (1.0, usual.head, usual.body),
    }


def test_regret_is_against_the_best_setting_that_has_as_many_seeds() -> None:
    means = means_of(CELLS)
    assert {place: regret(tried) for place, tried in means.items()} == {
        ("pets", "last_block"): pytest.approx(3.0),
        ("birds", "last_block"): 0.0,
    }


def test_an_interrupted_grid_goes_on_and_its_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FACTORS", (1.0,)), ("DECAYS", ()), ("EPOCHS", (1,))):
        monkeypatch.setattr(defaults, name, value)
    for bound in ("LEAST_EPOCHS", "MOST_EPOCHS"):
        monkeypatch.setattr(budget, bound, 2)
    sources = (write_folders(tmp_path / "colours", each=8),)
    question = Question(
        sources=sources, weights="none", backbone="resnet18", image_size=32, strategies=("last_block",), seeds=1
    )
    folder = tmp_path / "out"
    going = measure_defaults(folder, question)
    first = next(going)
    going.close()
    with (folder / defaults.CELLS).open("a") as lines:
        lines.write('{"dataset": "col')  # as a crash leaves it
    assert cells_of(folder) == (first,) and (first.setting, first.epochs) == (DEFAULT, 2)
    (second,) = measure_defaults(folder, question)
    assert cells_of(folder) == (first, second) and second.setting == Setting(epochs=1)
    assert list(measure_defaults(folder, question)) == []
    page = write_defaults(folder, tmp_path / "defaults.md").read_text()
    assert f"| `last_block` | {100 * first.test_accuracy:.1f} (" in page and "| epochs=1 |" in page
    assert not list((folder / "workspace" / "runs").iterdir()), "only scores are kept"
