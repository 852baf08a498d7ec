"""Training seen from outside: what moves, what does not, and that stopping and going on change nothing."""

import math
from collections.abc import Iterator

import pytest
import torch

from engine.errors import TrainingError
from engine.events import Epoch, Note, Step
from engine.training.audit import audit, remember
from engine.training.batches import cut, epoch_order
from engine.training.loop import evaluate, fit
from engine.training.state import Training
from tests.engine.training.toy import Pictures, config, training

HEAD_FIRST = "head | 1; layer4, head | 1"
FROZEN = [
    ("resnet18", {"strategy": "bias_norm"}),
    ("resnet18", {"strategy": "last_stage"}),
    ("resnet18", {"strategy": "gradual_unfreeze", "epochs": 3}),
    ("resnet18", {"phases": HEAD_FIRST}),
    ("resnet18", {"phases": "layer4, head | 1; head | 1"}),  # a block that is frozen again
    ("resnet18", {"strategy": "full_finetune", "batch_norm": "running"}),
    ("resnet18", {"strategy": "last_block", "batch_norm": "statistics"}),
    ("resnet18", {"strategy": "linear_probe"}),
    ("resnet18", {"strategy": "last_block"}),
    ("resnet18", {"strategy": "named", "patterns": "layer2.0"}),  # frozen blocks stand on both sides
    ("resnet18", {"strategy": "full_finetune"}),
    ("mobilenet_v3_small", {"strategy": "last_n", "last_n": 4}),  # dropout and in-place layers
    ("densenet121", {"strategy": "last_block"}),
]


def state(made: Training) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in made.chain.model.state_dict().items()}


def run(made: Training, images: int = 17) -> list[Step | Epoch | Note]:
    return list(fit(made, Pictures(images), Pictures(9, seed=1)))


@pytest.mark.parametrize(("backbone", "options"), FROZEN)
def test_what_is_frozen_stays_byte_for_byte_and_everything_else_moves(
    backbone: str, options: dict[str, object]
) -> None:
    # AdamW, whose steps do not shrink with the gradient: every tensor that can move does
    made = training(config(backbone=backbone, weight_decay=0.1, lr=0.01, **options))
    before = remember(made.chain.model.state_dict(), made.moving_names)
    run(made)
    rows = audit(before, made.chain.model.state_dict(), {}, may_move=made.moving_names)
    assert {row.name for row in rows if row.moved} == made.moving_names, (
        "a frozen tensor moved, or a training one stood still"
    )
    assert all((row.movement > 0) is row.moved for row in rows)


def test_frozen_features_are_the_same_before_and_after() -> None:
    """Statistics that drift, as they do under requires_grad=False alone, would change what the backbone says."""
    made = training(config(strategy="linear_probe"))
    images = Pictures(4).batch(torch.arange(4).numpy(), None)
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
    made = training(config(strategy="linear_probe", batch_size=8))
    events = run(made, images=17)
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.images for step in steps] == [8, 9, 8, 9]  # the last image joins the batch before it
    assert [type(event).__name__ for event in events] == ["Step", "Step", "Epoch"] * 2
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert all(math.isfinite(epoch.train_loss) and 0 <= (epoch.val_accuracy or 0) <= 1 for epoch in epochs)


def test_it_learns() -> None:
    made = training(config(strategy="full_finetune", epochs=6, lr=1e-3))
    run(made, images=48)
    assert made.position.history[-1].train_loss < 0.5 * made.position.history[0].train_loss  # type: ignore[operator]


def test_the_best_epoch_is_what_is_kept() -> None:
    made = training(config(strategy="linear_probe", epochs=4, lr=0.5, select="loss"))
    val = Pictures(9, seed=1)
    losses = [event.val_loss for event in fit(made, Pictures(24), val) if isinstance(event, Epoch)]
    assert made.position.best_epoch == losses.index(min(losses)) + 1  # type: ignore[type-var]
    made.chain.model.load_state_dict({**made.chain.model.state_dict(), **made.best})
    assert evaluate(made, val)[0] == pytest.approx(min(losses))  # type: ignore[type-var]


def test_patience_ends_a_run_that_no_longer_improves() -> None:
    made = training(config(strategy="linear_probe", epochs=50, patience=2, lr=1e-12, schedule="constant"))
    run(made)
    assert made.position.epoch < 50


def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence() -> None:
    made = training(config(strategy="full_finetune", optimizer="sgd", lr=10.0, epochs=20))
    with pytest.raises(TrainingError, match=r"epoch \d+, step \d+, at a learning rate .*ten times lower"):
        run(made)


def test_closing_leaves_no_torch_state_behind() -> None:
    made = training(config(strategy="last_block"))
    events = fit(made, Pictures(17), None)
    next(events)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    close(events)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def test_class_weights_count_a_rare_class_as_much_as_a_common_one() -> None:
    """The epoch's mean loss divides by the weights, not by the number of batches."""
    made = training(config(strategy="linear_probe", class_weights="balanced", lr=1e-12, epochs=1, batch_size=4))
    source = Pictures(13)
    source.targets = torch.tensor([0] * 9 + [1] * 3 + [2])
    (event,) = [event for event in fit(made, source, None) if isinstance(event, Epoch)]
    logits = made.chain(source.batch(torch.arange(13).numpy(), None))
    counts = torch.tensor([9.0, 3.0, 1.0])
    expected = torch.nn.functional.cross_entropy(logits, source.targets, weight=13 / (counts * 3))
    assert event.train_loss == pytest.approx(expected.item(), rel=1e-4)


def test_a_weighted_step_is_the_step_torch_would_take() -> None:
    """The batch's loss is divided by the weights in it, as CrossEntropyLoss(weight) does."""
    options = {
        "strategy": "linear_probe",
        "class_weights": "balanced",
        "optimizer": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "warmup": 0.0,
    }
    made = training(config(lr=0.1, schedule="constant", epochs=1, batch_size=4, **options))
    source = Pictures(13)
    source.targets = torch.tensor([0] * 9 + [1] * 3 + [2])
    rows = cut(epoch_order(source.targets, seed=0, epoch=0), 4)[0]
    head = made.chain.model.fc
    logits = made.chain(source.batch(rows, 0))
    weights = 13 / (torch.tensor([9.0, 3.0, 1.0]) * 3)
    loss = torch.nn.CrossEntropyLoss(weight=weights)(logits, source.targets[torch.from_numpy(rows)])
    expected = head.weight - 0.1 * torch.autograd.grad(loss, head.weight)[0]  # type: ignore[union-attr, operator]
    next(fit(made, source, None))
    assert torch.allclose(head.weight, expected, atol=1e-6)  # type: ignore[union-attr, arg-type]


def test_what_a_new_phase_freezes_keeps_no_gradient() -> None:
    made = training(config(phases="layer4, head | 1; head | 1"))
    for event in fit(made, Pictures(17), None):
        if isinstance(event, Step):
            held = {name.split(".")[0] for name, parameter in made.parameters.items() if parameter.grad is not None}
            assert held == ({"layer4", "fc"} if event.epoch == 1 else {"fc"})


def test_without_validation_images_the_training_score_decides() -> None:
    made = training(config(strategy="linear_probe"))
    events = [event for event in fit(made, Pictures(12), None) if isinstance(event, Epoch)]
    assert events[0].val_loss is None and made.position.best_epoch in (1, 2)


def close(events: Iterator[object]) -> None:
    events.close()  # type: ignore[attr-defined]


def test_a_block_frozen_in_a_later_phase_stands_still_in_it() -> None:
    """Momentum, weight decay or a stale gradient would still move it."""
    made = training(config(phases="layer4, head | 1 | 0.01; head | 1 | 0.01", optimizer="sgd", weight_decay=0.1))
    events = fit(made, Pictures(17), None)
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
    whole, parted = (training(config(strategy="linear_probe", batch_size=8)) for _ in range(2))
    parted.chain = OutOfMemory(parted, most=3)  # type: ignore[assignment]
    run(whole)
    notes = [event.text for event in run(parted) if isinstance(event, Note)]
    assert len(notes) == 2 and "in 4 parts" in notes[-1] and parted.position.parts == 4
    for name, tensor in whole.chain.model.state_dict().items():
        assert torch.allclose(tensor, parted.chain.model.state_dict()[name], atol=1e-5), name


def test_images_are_tried_one_by_one_before_giving_up() -> None:
    """A batch of 9 in 8 parts still has a part of two."""
    made = training(config(strategy="linear_probe", batch_size=9, epochs=1))
    made.chain = OutOfMemory(made, most=1)  # type: ignore[assignment]
    run(made, images=9)
    assert made.position.parts == 9 and made.position.epoch == 1


def test_when_not_even_one_image_fits_a_sentence_says_so() -> None:
    made = training(config(strategy="linear_probe"))
    made.chain = OutOfMemory(made, most=0)  # type: ignore[assignment]
    with pytest.raises(TrainingError, match="A single image does not fit"):
        run(made)


def test_the_average_is_what_is_judged_and_kept() -> None:
    made = training(config(strategy="linear_probe", ema=0.9, epochs=1, lr=0.05))
    val = Pictures(9, seed=1)
    epochs = [event for event in fit(made, Pictures(24), val) if isinstance(event, Epoch)]
    assert made.average is not None
    assert all(torch.equal(made.best[name], made.average.tensors[name]) for name in made.best)
    own = made.chain.model.state_dict()
    assert not torch.equal(made.best["fc.weight"], own["fc.weight"]), "the model goes on with its own weights"
    made.chain.model.load_state_dict({**own, **made.best})
    assert evaluate(made, val)[0] == pytest.approx(epochs[-1].val_loss)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixing_changes_the_loss_and_stays_a_function_of_the_seed(mix: str) -> None:
    losses = []
    for kind in (mix, mix, "none"):
        made = training(config(strategy="linear_probe", mix=kind, class_weights="balanced"))
        run(made)
        losses.append(made.position.history[-1].train_loss)
    assert losses[0] == losses[1] != losses[2]


def test_a_time_budget_ends_the_run_with_a_judged_epoch() -> None:
    made = training(config(strategy="linear_probe", epochs=1000, max_minutes=1e-6))
    epochs = [event for event in run(made) if isinstance(event, Epoch)]
    assert len(epochs) == 1 and epochs[0].val_loss is not None and made.position.best_epoch == 1


def test_gradient_norms_are_told_for_blocks_that_train() -> None:
    made = training(config(strategy="last_block", epochs=1))
    (epoch,) = [event for event in run(made) if isinstance(event, Epoch)]
    assert set(epoch.grad_norm) == {"layer4.1", "fc"} and all(norm > 0 for norm in epoch.grad_norm.values())


def test_the_loss_scale_of_half_precision_is_no_part_of_a_gradient() -> None:
    plain, scaled = (training(config(strategy="linear_probe", epochs=1)) for _ in range(2))
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    norms = [next(event for event in run(made) if isinstance(event, Epoch)).grad_norm for made in (plain, scaled)]
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
