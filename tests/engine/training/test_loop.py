"""Training seen from outside: what moves, what does not, and that stopping and going on change nothing."""

import math
import re
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from engine.errors import DivergedError, TrainingError
from engine.events import Epoch, Note, Step
from engine.training import loop
from engine.training.audit import audit, remember
from engine.training.batches import cut, epoch_order
from engine.training.loop import evaluate, fit
from engine.training.state import Training
from tests.engine.training.toy import Pictures, config, training

FROZEN = [
    {"strategy": "bias_norm"},
    {"strategy": "last_stage"},
    {"strategy": "gradual_unfreeze", "epochs": 3},
    {"phases": "head | 1; layer4, head | 1"},
    {"phases": "layer4, head | 1; head | 1"},  # a block that is frozen again
    {"strategy": "full_finetune", "batch_norm": "running"},
    {"strategy": "last_block", "batch_norm": "statistics"},
    {"strategy": "linear_probe"},
    {"strategy": "linear_probe_steps"},
    {"strategy": "last_block"},
    {"strategy": "named", "patterns": "layer2.0"},  # frozen blocks stand on both sides
    {"strategy": "full_finetune"},
    {"backbone": "mobilenet_v3_small", "strategy": "last_n", "last_n": 4},  # dropout and in-place layers
    {"backbone": "densenet121", "strategy": "last_block"},
]
TRAIN, VAL = Pictures(17), Pictures(9, seed=1)


def state(made: Training) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in made.chain.model.state_dict().items()}


def run(made: Training, train: Pictures = TRAIN, val: Pictures | None = VAL) -> list[Step | Epoch | Note]:
    return list(fit(made, train, val))


def probe(**options: object) -> Training:
    """A linear probe in steps that has not begun."""
    return training(config(strategy="linear_probe_steps", **options))


def epochs(made: Training, train: Pictures = TRAIN, val: Pictures | None = VAL) -> list[Epoch]:
    """The epochs of a whole training."""
    return [event for event in run(made, train, val) if isinstance(event, Epoch)]


@pytest.mark.parametrize("options", FROZEN)
def test_what_is_frozen_stays_byte_for_byte_and_everything_else_moves(options: dict[str, object]) -> None:
    # AdamW, whose steps do not shrink with the gradient: every tensor that can move does
    made = training(config(weight_decay=0.1, lr=0.01, **options))
    before = remember(made.chain.model.state_dict(), made.moving_names)
    run(made)
    rows = audit(before, made.chain.model.state_dict(), {}, may_move=made.moving_names)
    assert {row.name for row in rows if row.moved} == made.moving_names, "a frozen one moved, or another stood still"
    assert all((row.movement > 0) is row.moved for row in rows)


def test_frozen_features_are_the_same_before_and_after() -> None:
    """Statistics that drift, as they do under requires_grad=False alone, would change what the backbone says."""
    made = probe()
    images = Pictures(4).batch(np.arange(4), None)
    head = len(made.chain.blocks) - 1
    made.chain.model.eval()
    before = made.chain(images, 0, head)
    run(made)
    made.chain.model.eval()
    assert torch.equal(before, made.chain(images, 0, head))


def test_the_same_config_gives_the_same_bits_and_another_seed_does_not() -> None:
    first, second, other = (
        training(config(backbone="mobilenet_v3_small", strategy="last_block", seed=seed)) for seed in (0, 0, 1)
    )
    for made in (first, second, other):
        torch.rand(3)  # what others draw from the global generator must not matter
        run(made)
    assert all(torch.equal(a, b) for a, b in zip(state(first).values(), state(second).values(), strict=True))
    assert first.position.history[-1].train_loss != other.position.history[-1].train_loss


def test_events_come_in_order_and_count_every_image() -> None:
    made = probe(batch_size=8)
    events = run(made)
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.images for step in steps] == [8, 9, 8, 9]  # the last image joins the batch before it
    assert [type(event).__name__ for event in events] == ["Step", "Step", "Epoch"] * 2
    done = [event for event in events if isinstance(event, Epoch)]
    assert [epoch.epoch for epoch in done] == [1, 2]
    assert all(math.isfinite(epoch.train_loss) and 0 <= (epoch.val_accuracy or 0) <= 1 for epoch in done)


def test_it_learns() -> None:
    losses = [epoch.train_loss for epoch in epochs(training(config(strategy="full_finetune", epochs=6)), Pictures(48))]
    assert losses[-1] < 0.5 * losses[0]


def test_the_best_epoch_is_what_is_kept() -> None:
    made = probe(epochs=4, lr=0.05, select="loss")
    losses = [epoch.val_loss or math.nan for epoch in epochs(made, Pictures(24))]
    assert made.position.best_epoch == losses.index(min(losses)) + 1
    made.chain.model.load_state_dict({**made.chain.model.state_dict(), **made.best})
    assert evaluate(made, VAL)[0] == pytest.approx(min(losses))


def test_patience_ends_a_run_that_no_longer_improves() -> None:
    made = probe(epochs=50, patience=2, lr=1e-12, schedule="constant")
    run(made)
    assert made.position.epoch < 50


def test_patience_waits_for_the_last_phase() -> None:
    slow = {"patience": 2, "lr": 1e-12, "schedule": "constant", "batch_norm": "running"}
    made = training(config(strategy="two_phase", last_n=1, epochs=12, first_epochs=6, **slow))
    run(made)
    assert made.position.epoch == 8, "nothing improves, but what is released in the last phase gets its chance"


def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence() -> None:
    made = training(config(strategy="full_finetune", optimizer="sgd", lr=10.0, lr_decay=1.0, epochs=20))
    with pytest.raises(DivergedError, match=r"ten times lower; the best epoch"):
        run(made)


@pytest.mark.parametrize(
    "losses, ends",
    [
        ((30.0,), False),
        ((30.0, 20.0), False),
        ((20.0, 30.0), True),
        ((3000.0,), True),
        ((4.0, 9.0), False),
        ((4.0, 9.0, 30.0), True),
        ((30.0, 25.0, 20.0, 15.0), True),
    ],
)
def test_a_loss_far_above_guessing_that_does_not_fall_is_called_diverged(losses: tuple[float, ...], ends: bool) -> None:
    """Guessing among three classes has 1.1."""
    made = training(config(strategy="linear_probe_steps", epochs=4))
    made.position.history += [Epoch(epoch=number, train_loss=loss) for number, loss in enumerate(losses, start=1)]
    made.position.epoch = len(losses)
    words = rf"after epoch {len(losses)} the loss is {re.escape(f'{losses[-1]:.3g}')}.*ten times lower"
    with pytest.raises(DivergedError, match=words) if ends else nullcontext():
        loop._demand_convergence(made)


def test_a_validation_loss_that_is_no_number_ends_the_run_at_once() -> None:
    made = training(config(strategy="linear_probe_steps", epochs=4))
    made.position.history.append(Epoch(epoch=1, train_loss=1.0, val_loss=math.nan))
    with pytest.raises(DivergedError, match="the loss is nan"):
        loop._demand_convergence(made)


def test_a_loss_that_is_no_number_before_anything_was_learnt_is_the_weights_fault() -> None:
    made = training(config(strategy="last_block"))
    with torch.no_grad():
        made.chain.model.get_parameter("conv1.weight").fill_(math.inf)
    with pytest.raises(TrainingError, match="in the first step, before anything was learnt: the weights"):
        run(made)


def test_one_image_that_cannot_be_normalised_is_said_to_be_that() -> None:
    made = training(config(strategy="last_block", batch_size=1))
    with pytest.raises(TrainingError, match=r"at 32 pixels: .*batch_size.* at least 2.*batch_norm=running"):
        run(made, Pictures(5))


def test_closing_leaves_no_torch_state_behind() -> None:
    made = training(config(strategy="last_block"))
    events = fit(made, TRAIN, None)
    next(events)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    events.close()
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def rare() -> Pictures:
    """Thirteen images of classes that hold nine, three and one."""
    source = Pictures(13)
    source.targets = torch.tensor([0] * 9 + [1] * 3 + [2])
    return source


WEIGHTS = 13 / (torch.tensor([9.0, 3.0, 1.0]) * 3)


def test_class_weights_count_a_rare_class_as_much_as_a_common_one() -> None:
    """The epoch's mean loss divides by the weights, not by the number of batches."""
    made = probe(class_weights="balanced", lr=1e-12, epochs=1, batch_size=4)
    (epoch,) = epochs(made, source := rare(), None)
    logits = made.chain(source.batch(np.arange(13), None))
    expected = torch.nn.functional.cross_entropy(logits, source.targets, weight=WEIGHTS)
    assert epoch.train_loss == pytest.approx(expected.item(), rel=1e-4)


def test_a_weighted_step_is_the_step_torch_would_take() -> None:
    """The batch's loss is divided by the weights in it, as CrossEntropyLoss(weight) does."""
    plain = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "warmup": 0.0, "schedule": "constant"}
    made = probe(class_weights="balanced", lr=0.1, epochs=1, batch_size=4, **plain)
    source = rare()
    rows = cut(epoch_order(source.targets, seed=0, epoch=0), 4)[0]
    head = made.chain.model.fc
    logits = made.chain(source.batch(rows, 0))
    loss = torch.nn.CrossEntropyLoss(weight=WEIGHTS)(logits, source.targets[torch.from_numpy(rows)])
    expected = head.weight - 0.1 * torch.autograd.grad(loss, head.weight)[0]
    next(fit(made, source, None))
    assert torch.allclose(head.weight, expected, atol=1e-6)


def test_what_a_new_phase_freezes_keeps_no_gradient() -> None:
    made = training(config(phases="layer4, head | 1; head | 1"))
    for event in fit(made, TRAIN, None):
        if isinstance(event, Step):
            held = {name.split(".")[0] for name, parameter in made.parameters.items() if parameter.grad is not None}
            assert held == ({"layer4", "fc"} if event.epoch == 1 else {"fc"})


def test_without_validation_images_the_training_score_decides() -> None:
    made = probe()
    assert epochs(made, val=None)[0].val_loss is None and made.position.best_epoch in (1, 2)


def test_a_block_frozen_in_a_later_phase_stands_still_in_it() -> None:
    """Momentum, weight decay or a stale gradient would still move it."""
    made = training(config(phases="layer4, head | 1 | 0.01; head | 1 | 0.01", optimizer="sgd", weight_decay=0.1))
    events = fit(made, TRAIN, None)
    next(event for event in events if isinstance(event, Epoch))
    before = state(made)
    list(events)
    moved = {name for name, tensor in state(made).items() if not torch.equal(tensor, before[name])}
    assert moved == {"fc.weight", "fc.bias"}


def test_running_statistics_are_used_and_kept_when_asked() -> None:
    made = training(config(strategy="full_finetune", batch_norm="running"))
    before = state(made)
    run(made)
    buffers = [name for name, _ in made.chain.model.named_buffers()]
    assert buffers and all(torch.equal(made.chain.model.state_dict()[name], before[name]) for name in buffers)


def test_statistics_only_moves_statistics_and_not_the_scale() -> None:
    made = training(config(strategy="last_block", batch_norm="statistics"))
    before = state(made)
    run(made)
    after = made.chain.model.state_dict()
    assert not torch.equal(after["layer4.1.bn1.running_mean"], before["layer4.1.bn1.running_mean"])
    assert torch.equal(after["layer4.1.bn1.weight"], before["layer4.1.bn1.weight"])


class OutOfMemory:
    """A chain that has no memory for more than so many images at once."""

    def __init__(self, made: Training, most: int) -> None:
        self._chain, self.most = made.chain, most

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    def __call__(self, x: torch.Tensor, start: int = 0, stop: int | None = None) -> torch.Tensor:
        if len(x) > self.most and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("out of memory")
        return self._chain(x, start, stop)


def test_when_memory_runs_out_the_step_is_the_same_in_parts() -> None:
    whole, parted = probe(), probe()
    parted.chain = OutOfMemory(parted, most=3)
    run(whole)
    notes = [event.text for event in run(parted) if isinstance(event, Note)]
    assert len(notes) == 2 and "in 4 parts" in notes[-1] and parted.position.parts == 4
    for name, tensor in whole.chain.model.state_dict().items():
        assert torch.allclose(tensor, parted.chain.model.state_dict()[name], atol=1e-5), name


def test_images_are_tried_one_by_one_before_giving_up() -> None:
    """A batch of 9 in 8 parts still has a part of two."""
    made = probe(batch_size=9, epochs=1)
    made.chain = OutOfMemory(made, most=1)
    run(made, Pictures(9))
    assert made.position.parts == 9 and made.position.epoch == 1


def test_when_not_even_one_image_fits_a_sentence_says_so() -> None:
    made = probe()
    made.chain = OutOfMemory(made, most=0)
    with pytest.raises(TrainingError, match="A single image does not fit"):
        run(made)


def test_the_average_is_what_is_judged_and_kept() -> None:
    made = probe(ema=0.9, epochs=1, lr=0.05)
    (epoch,) = epochs(made)
    assert made.average is not None
    assert all(torch.equal(made.best[name], made.average.tensors[name]) for name in made.best)
    own = made.chain.model.state_dict()
    assert not torch.equal(made.best["fc.weight"], own["fc.weight"]), "the model goes on with its own weights"
    made.chain.model.load_state_dict({**own, **made.best})
    assert evaluate(made, VAL)[0] == pytest.approx(epoch.val_loss)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixing_changes_the_loss_and_stays_a_function_of_the_seed(mix: str) -> None:
    runs = [probe(mix=kind, class_weights="balanced") for kind in (mix, mix, "none")]
    losses = [epochs(made)[-1].train_loss for made in runs]
    assert losses[0] == losses[1] != losses[2]


def test_a_time_budget_ends_the_run_with_a_judged_epoch() -> None:
    made = probe(epochs=1000, max_minutes=1e-6)
    (epoch,) = epochs(made)
    assert epoch.val_loss is not None and made.position.best_epoch == 1


def test_gradient_norms_are_told_for_blocks_that_train() -> None:
    made = training(config(strategy="last_block", epochs=1))
    (epoch,) = epochs(made)
    assert set(epoch.grad_norm) == {"layer4.1", "fc"} and all(norm > 0 for norm in epoch.grad_norm.values())


def test_the_loss_scale_of_half_precision_is_no_part_of_a_gradient() -> None:
    plain, scaled = probe(epochs=1), probe(epochs=1)
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    assert epochs(scaled)[0].grad_norm == pytest.approx(epochs(plain)[0].grad_norm, rel=1e-4)


def test_weights_between_probe_and_fine_tuning_are_judged_as_one_more_epoch() -> None:
    """However early the steps end, and at least as good on validation as what they lie between."""
    for options, count in (({}, 4), ({"patience": 1, "lr": 1.0}, 3)):
        made = training(config(strategy="wise_ft", epochs=4, **options))
        *others, last = [event for event in fit(made, TRAIN, VAL) if isinstance(event, Epoch)]
        assert [epoch.phase for epoch in (*others, last)] == [0, *[1] * (count - 2), 2] and made.finished
        assert [one.chosen for one in last.mixtures].count(True) == 1 and not any(one.mixtures for one in others)
        assert (last.train_loss, last.lr, last.grad_norm) == (None, {}, {})
        assert (
            last.val_accuracy == max(one.accuracy for one in last.mixtures) >= max(one.val_accuracy for one in others)
        )
        assert last.mixtures[0].accuracy == others[0].val_accuracy, "the first end is the probe"


def test_without_validation_images_no_weights_are_mixed() -> None:
    made = training(config(strategy="wise_ft", epochs=3))
    events = list(fit(made, TRAIN, None))
    assert any("no validation images" in event.text for event in events if isinstance(event, Note))
    assert made.position.best_epoch < 3 == made.position.epoch
