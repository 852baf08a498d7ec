"""What is foretold of a run: tries of learning rates count, a time budget holds for the whole run, what is there is not
counted again."""

from dataclasses import replace

import pytest

from engine.runconfig import RunConfig
from engine.training.estimate import Measured, Seconds, foresee, parts_needed, training_bytes
from engine.training.freezing import plan_for
from engine.training.frozen.cuts import Cost, Slot
from tests.engine.comparisons.outlines import outline

MEASURED = Measured(costs={3: Cost(seconds=0.0, size_bytes=8)}, forward=0.1, decode=0.0, steps=(0.5,))
IMAGES = {"train": 100, "val": 20, "test": 30}


def foretold(images: dict[str, int] | None = None, **options: object) -> Seconds:
    config = RunConfig(dataset="d", backbone="resnet18", strategy="linear_probe_steps", epochs=6, **options)
    return foresee(outline(), plan_for(outline(), config), config, measured=MEASURED, kept=(), images=images or IMAGES)


def test_without_a_budget_every_try_is_a_whole_training() -> None:
    one, four = foretold(), foretold(tune=3)
    assert (one.epochs, one.validation, one.answers) == pytest.approx((300, 12, 15))
    assert (four.epochs, four.validation, four.answers) == pytest.approx((1200, 48, 15))
    assert foretold(tune=1) == one
    assert foretold({**IMAGES, "val": 0}, tune=3).epochs == one.epochs, "nothing to choose by, so nothing is tried"


def test_timings_that_contradict_each_other_take_nothing_off_a_step() -> None:
    """A shallow cut that was timed slower than a deeper one, as a busy machine does."""
    costs = {1: Cost(seconds=5.0, size_bytes=8), 3: Cost(seconds=0.0, size_bytes=8)}
    config = RunConfig(dataset="d", backbone="resnet18", strategy="linear_probe_steps", epochs=6)
    plan, measured = plan_for(outline(), config), replace(MEASURED, costs=costs)
    kept = (Slot(split="train", view=None, cut=1),)
    seconds = foresee(outline(), plan, config, measured=measured, kept=kept, images=IMAGES)
    assert seconds.epochs == pytest.approx(300)


@pytest.mark.parametrize(("tune", "share"), [(0, 0.5), (3, 0.125)])
def test_a_budget_cuts_tries_and_training_together_and_their_validation_with_them(tune: int, share: float) -> None:
    whole, cut = foretold(tune=tune), foretold(tune=tune, max_minutes=2.5)
    assert cut.epochs == pytest.approx(150)
    assert cut.validation == pytest.approx(share * whole.validation) and cut.answers == whole.answers
    assert foretold(tune=tune, max_minutes=1000) == whole


def test_a_model_that_is_there_leaves_room_for_what_training_adds() -> None:
    assert training_bytes(100, "adamw") == 100 * 4 * 3 and training_bytes(100, "sgd") == 100 * 4 * 2
    standing = training_bytes(100, "adamw")
    parts = [parts_needed(standing + room, standing=standing, an_image=10, batch=8) for room in (80, 40)]
    assert parts == [1, 2]
    assert parts_needed(9, standing=0, an_image=10, batch=8) == 0
