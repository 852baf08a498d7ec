"""A run that is cut off anywhere and resumed ends in the same bits as one that was not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.errors import TrainingError
from engine.events import Progress
from engine.runconfig import RunConfig
from engine.training.audit import base_digest, digests
from engine.training.checkpoints import load_checkpoint, save_checkpoint
from engine.training.loop import fit
from engine.training.state import Training
from tests.engine.training.toy import Pictures, config, training

MIXING = "mixing weights"
TRAIN, VAL = Pictures(20), Pictures(9, seed=1)


def finish(made: Training) -> Training:
    for _ in fit(made, TRAIN, VAL):
        pass
    return made


def base(made: Training) -> str:
    return base_digest(digests(made.chain.model.state_dict()))


def resumed_after(events: int, chosen: RunConfig, path: Path) -> Training:
    """A run that is cut off after so many events and goes on from its checkpoint in another process' model."""
    cut = training(chosen)
    origin, running = base(cut), fit(cut, TRAIN, VAL)
    for _ in range(events):
        next(running)
    save_checkpoint(cut, path, base=origin)
    resumed = training(chosen)
    load_checkpoint(resumed, path, base=base(resumed))
    return finish(resumed)


OPTIONS = [
    {"backbone": "mobilenet_v3_small", "strategy": "last_n", "last_n": 3, "optimizer": "adamw", "lr_decay": 0.7},
    {"backbone": "mobilenet_v3_small", "strategy": "last_n", "last_n": 3, "optimizer": "sgd", "lr_decay": 0.7},
    # a trainer that freezes anew on resuming, or orders its groups by what trains now, ends elsewhere
    {"strategy": "gradual_unfreeze"},
    {"strategy": "probe_then_finetune", "ema": 0.9, "mix": "mixup"},
    {"strategy": "probe_then_finetune", "ema": 0.9},
    {"phases": "layer4, head | 1; head | 1; layer3, layer4, head | 1", "sampling": "balanced"},
]


@pytest.mark.parametrize("events", [1, 3, 4, 5, 8])
@pytest.mark.parametrize("options", OPTIONS)
def test_resuming_inside_any_phase_is_bit_for_bit(tmp_path: Path, options: dict[str, object], events: int) -> None:
    chosen = config(epochs=3, **options)
    whole, resumed = finish(training(chosen)), resumed_after(events, chosen, tmp_path / "checkpoint.pt")
    for name, tensor in whole.chain.model.state_dict().items():
        assert torch.equal(tensor, resumed.chain.model.state_dict()[name]), name
    assert all(torch.equal(whole.best[name], resumed.best[name]) for name in whole.best)
    keys = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "best", "lr")
    scores = [[[getattr(row, key) for key in keys] for row in made.position.history] for made in (whole, resumed)]
    assert scores[0] == scores[1]


def test_interrupted_while_it_mixes_weights_a_run_mixes_the_same_ones_again(tmp_path: Path) -> None:
    """Also where no epoch was better than the probe, so that the second end is where training stands."""
    chosen = config(strategy="wise_ft", epochs=3, lr=1.0)
    whole, cut = finish(training(chosen)), training(chosen)
    origin, running = base(cut), fit(cut, TRAIN, VAL)
    next(event for event in running if isinstance(event, Progress) and (event.stage, event.done) == (MIXING, 4))
    running.close()  # type: ignore[attr-defined]
    save_checkpoint(cut, tmp_path / "checkpoint.pt", base=origin)
    resumed = training(chosen)
    load_checkpoint(resumed, tmp_path / "checkpoint.pt", base=base(resumed))
    finish(resumed)
    assert all(torch.equal(whole.best[name], resumed.best[name]) for name in whole.best)
    assert whole.position.history[-1].mixtures == resumed.position.history[-1].mixtures


def test_a_checkpoint_of_other_weights_or_another_plan_is_refused(tmp_path: Path) -> None:
    made = training(config(strategy="last_block"))
    save_checkpoint(made, tmp_path / "checkpoint.pt", base="one")
    with pytest.raises(TrainingError, match="other weights"):
        load_checkpoint(made, tmp_path / "checkpoint.pt", base="two")
    with pytest.raises(TrainingError, match="another plan"):
        load_checkpoint(training(config(strategy="linear_probe_steps")), tmp_path / "checkpoint.pt", base="one")


def test_groups_in_another_order_are_refused(tmp_path: Path) -> None:
    """torch itself would attach the momenta to the wrong tensors without a word."""
    made = training(config(strategy="last_block"))
    save_checkpoint(made, tmp_path / "checkpoint.pt", base="one")
    made.groups = tuple(reversed(made.groups))
    with pytest.raises(TrainingError, match="another order"):
        load_checkpoint(made, tmp_path / "checkpoint.pt", base="one")


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"\0" * len(content)])
def test_a_damaged_checkpoint_is_said_to_be_damaged(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    made = training(config(strategy="linear_probe_steps"))
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(made, path, base="one")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrainingError, match="damaged"):
        load_checkpoint(made, path, base="one")


def test_only_what_may_move_is_stored(tmp_path: Path) -> None:
    sizes = []
    for strategy in ("linear_probe_steps", "full_finetune"):
        save_checkpoint(training(config(strategy=strategy)), tmp_path / strategy, base="one")
        sizes.append((tmp_path / strategy).stat().st_size)
    assert sizes[0] * 100 < sizes[1]
