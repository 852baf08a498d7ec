"""Which activations a run will read and which are worth keeping, as plain arithmetic."""

from collections import Counter

import numpy as np
import pytest

from engine.training.freezing import plan_for
from engine.training.frozen import cuts
from engine.training.frozen.cuts import Cost, Slot, order, readings, worth_keeping
from tests.engine.training.toy import block, config, outline

OUTLINE = outline(
    *(
        block(f"{stage}.{index}", stage, ("weight", 9, "weight"))
        for index, stage in enumerate(("stem", "body", "body", "neck", "neck", "head"))
    )
)
SPLITS = {"train": 100, "val": 10, "test": 10}
GB = 2**30


Read = dict[tuple[str, int | None, int], int]


def read(epoch: int = 0, **options: object) -> Read:
    chosen = config(**{"views": 0, **options})
    counted = readings(OUTLINE, plan_for(OUTLINE, chosen), chosen, epoch=epoch)
    return {(slot.split, slot.view, slot.cut): count for slot, count in counted.items()}


def seen(counts: dict[int, int], *, test: dict[int, int]) -> Read:
    """Readings of the evaluation crop by cut; those of `test` are the last predictions."""
    trained = {(split, None, cut): count for split in ("train", "val") for cut, count in counts.items()}
    return {**trained, **{("test", None, cut): count for cut, count in test.items()}}


def test_a_linear_probe_reads_the_inputs_of_the_head_in_every_epoch_and_once_more() -> None:
    assert read(strategy="linear_probe_steps", epochs=7) == seen({5: 8}, test={5: 1})


def test_each_view_is_read_in_its_own_epochs() -> None:
    wanted = read(strategy="last_block", epochs=7, views=3)
    views = {("train", 0, 4): 3, ("train", 1, 4): 2, ("train", 2, 4): 2}
    assert wanted == {**seen({4: 1}, test={4: 1}), **views, ("val", None, 4): 8}


@pytest.mark.parametrize("views", [7, 12])
def test_as_many_views_as_epochs_are_read_once_each(views: int) -> None:
    wanted = read(strategy="linear_probe_steps", epochs=7, views=views)
    assert [wanted["train", view, 5] for view in range(7)] == [1] * 7 and ("train", 7, 5) not in wanted


def test_probing_and_then_training_all_of_it_reads_only_while_probing() -> None:
    """LP-FT: once everything trains there is nothing to read, at the end neither."""
    assert read(strategy="probe_then_finetune", epochs=6) == seen({5: 1}, test={})
    views = read(strategy="probe_then_finetune", epochs=6, views=3)
    assert views == {("val", None, 5): 1, **{("train", view, 5): 1 for view in range(3)}}


def test_gradual_unfreezing_reads_ever_earlier_inputs() -> None:
    assert read(strategy="gradual_unfreeze", epochs=8) == seen({5: 2, 3: 2, 1: 2}, test={})


def test_the_cut_never_moves_back_over_what_has_trained() -> None:
    """The second phase freezes what the first one trained: its inputs of the head are not those of the start."""
    assert read(phases="neck*, head* | 2; head* | 3", epochs=5) == seen({3: 6}, test={3: 1})
    back = read(phases="head* | 2; body.1, head* | 1; neck.4, head* | 1", epochs=4)
    assert back == seen({5: 2, 1: 3}, test={1: 1})


def test_what_has_passed_is_not_counted_when_a_run_goes_on() -> None:
    wanted = read(epoch=3, phases="head* | 2; body.2, head* | 3", epochs=5, views=2)
    assert wanted == {**seen({2: 1}, test={2: 1}), ("train", 1, 2): 1, ("train", 0, 2): 1, ("val", None, 2): 3}


def test_of_more_views_than_files_may_be_open_only_the_first_are_read() -> None:
    wanted = read(strategy="linear_probe_steps", epochs=70, views=50)
    assert {view for split, view, _ in wanted if split == "train" and view is not None} == set(range(32))
    assert (wanted["train", 19, 5], wanted["train", 20, 5], wanted["val", None, 5]) == (2, 1, 71)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_pictures_are_not_read_from_a_cache(mix: str) -> None:
    wanted = read(strategy="linear_probe_steps", epochs=4, views=2, mix=mix)
    assert wanted == {("train", None, 5): 1, ("val", None, 5): 5, ("test", None, 5): 1}


def test_training_everything_reads_nothing() -> None:
    assert read(strategy="full_finetune", epochs=4) == {}


def slot(cut: int, split: str = "train", view: int | None = None) -> Slot:
    return Slot(split=split, view=view, cut=cut)


def cost(seconds: float, size_bytes: int = 1000) -> Cost:
    return Cost(seconds=seconds, size_bytes=size_bytes)


def keep(
    wanted: dict[Slot, int], costs: dict[int, Cost], *, have: tuple[Slot, ...] = (), budget: int = GB
) -> tuple[Slot, ...]:
    return worth_keeping(Counter(wanted), costs, SPLITS, have=have, budget=budget)


def test_the_budget_is_never_exceeded_and_the_best_bargains_go_first() -> None:
    wanted = {slot(5): 10, slot(5, "val"): 11, slot(5, view=1): 3}
    costs = {5: cost(0.01, 20_000)}
    rows = {count: set(keep(wanted, costs, budget=20_000 * count)) for count in (210, 209, 110, 109, 10, 9)}
    assert rows[210] == set(wanted)
    assert rows[110] == {slot(5), slot(5, "val")}, "the view is read least"
    assert rows[10] == {slot(5, "val")} and rows[9] == set()
    for count, chosen in rows.items():
        assert sum(SPLITS[one.split] for one in chosen) <= count


def test_what_costs_more_to_read_than_to_compute_is_not_kept() -> None:
    size = 1_000_000
    dear, cheap = cost(0.1, size), cost(0.5 * size / cuts.READ_BYTES_PER_SECOND, size)
    assert keep({slot(5): 10}, {5: dear}) == (slot(5),)
    assert keep({slot(5): 10}, {5: cheap}) == ()


def test_a_large_activation_that_is_read_once_is_not_kept_and_a_small_one_is() -> None:
    assert keep({slot(5): 1}, {5: cost(0.1, 1_000_000)}) == ()
    assert keep({slot(5): 1}, {5: cost(0.1, 2048)}) == (slot(5),)


def test_a_second_cut_counts_from_the_first() -> None:
    """What lies between the two is all that the deeper one still saves."""
    size = 1_000_000  # a millisecond to read
    near = {3: cost(0.1, size), 5: cost(0.1005, size)}
    far = {3: cost(0.1, size), 5: cost(0.2, size)}
    wanted = {slot(3): 10, slot(5): 10}
    assert keep(wanted, near) == (slot(3),), "serves both, and the rest is cheaper than reading"
    assert set(keep(wanted, far)) == {slot(3), slot(5)}
    assert keep({slot(5): 10}, near, have=(slot(3),)) == ()
    assert keep({slot(5): 10}, near, have=(slot(3, "val"), slot(3, view=0))) == (slot(5),), "of other pictures"


def test_what_is_kept_already_is_not_chosen_again() -> None:
    assert keep({slot(3): 10, slot(5): 10}, {3: cost(0.1), 5: cost(0.2)}, have=(slot(5),)) == (slot(3),)
    assert keep({slot(5): 10}, {5: cost(0.2)}, have=(slot(5),)) == ()


def test_an_early_cut_beside_a_deeper_one_counts_only_what_the_deeper_one_does_not_serve() -> None:
    costs = {3: cost(0.1, 1_000_000), 5: cost(0.2, 1000)}
    assert keep({slot(3): 1, slot(5): 50}, costs) == (slot(5),)


def naive(wanted: dict[Slot, int], costs: dict[int, Cost], have: tuple[Slot, ...], budget: int) -> list[Slot]:
    """What worth_keeping promises, worked out anew for every slot after every choice."""

    def bargain(slot: Slot) -> float:
        mine = {other.cut for other in kept if other.pictures == slot.pictures}
        before = max((cut for cut in mine if cut < slot.cut), default=0)
        after = min((cut for cut in mine if cut > slot.cut), default=99)
        reads = {other.cut: count for other, count in wanted.items() if other.pictures == slot.pictures}
        uses = sum(count for cut, count in reads.items() if slot.cut <= cut < after)
        seconds, size = costs[slot.cut].seconds - (costs[before].seconds if before else 0.0), costs[slot.cut].size_bytes
        saved = (uses - (size > cuts._CHEAP_BYTES)) * seconds
        return (saved - (uses + 1) * size / cuts.READ_BYTES_PER_SECOND) / size

    kept, left, chosen = set(have), [slot for slot in sorted(wanted, key=order) if slot not in have], []
    while left:
        left.remove(best := max(left, key=bargain))
        size = costs[best.cut].size_bytes * SPLITS[best.split]
        if bargain(best) > 0 and size <= budget:
            kept.add(best)
            chosen.append(best)
            budget -= size
    return chosen


def test_pictures_are_in_one_order_whatever_a_set_does() -> None:
    slots = [slot(5, split, view) for split in ("test", "train") for view in (None, 0, 1)]
    assert sorted(reversed(slots), key=order) == slots


@pytest.mark.parametrize("seed", range(40))
def test_the_choice_is_that_of_weighing_everything_anew_each_time(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(1000, 400_000, 5).tolist()
    costs = {cut: cost(0.001 * cut + 0.0005 * random.random(), size) for cut, size in enumerate(sizes, start=1)}
    pictures = (("train", None), ("train", 0), ("train", 1), ("val", None))
    every = [slot(cut, split, view) for split, view in pictures for cut in costs]
    wanted = {one: int(random.integers(1, 9)) for one in every if random.random() < 0.7}
    have = tuple(one for one in every if random.random() < 0.1)
    budget = int(random.integers(0, 60_000_000))
    assert list(keep(wanted, costs, have=have, budget=budget)) == naive(wanted, costs, have, budget)


def test_a_choice_is_weighed_against_its_own_pictures_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many views are many slots: weighing all of them after each choice takes minutes."""
    weighed, real = [], cuts._gain
    monkeypatch.setattr(cuts, "_gain", lambda *given, **named: (weighed.append(1), real(*given, **named))[1])
    wanted = {slot(5, view=view): 3 for view in range(50)}
    assert len(keep(wanted, {5: cost(0.1)})) == 50 and len(weighed) <= 100
