"""Training seen from outside: what moves, what does not, and that stopping and going on change nothing."""

import math
from collections.abc import Iterator

import pytest
import torch

from engine.errors import TrainingError
from engine.training.audit import compare, digests
from engine.training.loop import Epoch, Step, Training, evaluate, fit
from tests.engine.training.toy import Pictures, config, training

FROZEN = [
    ("resnet18", {"strategy": "linear_probe"}),
    ("resnet18", {"strategy": "last_block"}),
    ("resnet18", {"strategy": "named", "patterns": "layer2.0"}),  # frozen blocks stand on both sides
    ("resnet18", {"strategy": "full_finetune"}),
    ("mobilenet_v3_small", {"strategy": "last_n", "last_n": 4}),  # dropout and in-place layers
    ("densenet121", {"strategy": "last_block"}),
]


def state(made: Training) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in made.chain.model.state_dict().items()}


def run(made: Training, images: int = 17) -> list[Step | Epoch]:
    return list(fit(made, Pictures(images), Pictures(9, seed=1)))


@pytest.mark.parametrize(("backbone", "options"), FROZEN)
def test_what_is_frozen_stays_byte_for_byte_and_everything_else_moves(backbone: str, options: dict[str, object]) -> None:
    # AdamW, whose steps do not shrink with the gradient: every tensor that can move does
    made = training(config(backbone=backbone, weight_decay=0.1, lr=0.01, **options))
    before = digests(made.chain.model.state_dict())
    run(made)
    audit = compare(before, digests(made.chain.model.state_dict()), may_move=made.moving())
    assert audit.broken == ()
    assert set(audit.moved) == set(made.moving()), "a tensor of a training block stood still"


def test_frozen_features_are_the_same_before_and_after() -> None:
    """Statistics that drift, as they do under requires_grad=False alone, would change what the backbone says."""
    made = training(config(strategy="linear_probe"))
    images = Pictures(4).batch(torch.arange(4).numpy(), None)
    head = len(made.chain.blocks) - 1
    before = made.chain(images, 0, head)
    run(made)
    assert torch.equal(before, made.chain(images, 0, head))


def test_the_same_config_gives_the_same_bits_and_another_seed_does_not() -> None:
    first, second, other = (training(config(backbone="mobilenet_v3_small", strategy="last_block", seed=seed)) for seed in (0, 0, 1))
    for made in (first, second, other):
        torch.rand(3)  # what others draw from the global generator must not matter
        run(made)
    assert all(torch.equal(a, b) for a, b in zip(state(first).values(), state(second).values(), strict=True))
    assert first.position.history[-1]["train_loss"] != other.position.history[-1]["train_loss"]


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
    assert made.position.history[-1]["train_loss"] < 0.5 * made.position.history[0]["train_loss"]  # type: ignore[operator]


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


def test_without_validation_images_the_training_score_decides() -> None:
    made = training(config(strategy="linear_probe"))
    events = [event for event in fit(made, Pictures(12), None) if isinstance(event, Epoch)]
    assert events[0].val_loss is None and made.position.best_epoch in (1, 2)


def close(events: Iterator[object]) -> None:
    events.close()  # type: ignore[attr-defined]
