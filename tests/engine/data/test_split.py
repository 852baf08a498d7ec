from collections import Counter

import pytest

from engine.data.split import Candidate, assign, fingerprint, share_of
from engine.errors import DatasetError


def candidates(*counts: int, given: str | None = None) -> list[Candidate]:
    return [
        Candidate(sha256=f"{label}-{number}", label=label, given=given)
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def counted(items: list[Candidate], splits: list[str], label: int) -> tuple[int, int, int]:
    counts = Counter(split for item, split in zip(items, splits, strict=True) if item.label == label)
    return counts["train"], counts["val"], counts["test"]


def test_every_class_is_split_by_the_same_shares() -> None:
    items = candidates(100, 20)
    splits = assign(items)
    assert counted(items, splits, 0) == (70, 15, 15)
    assert counted(items, splits, 1) == (14, 3, 3)


@pytest.mark.parametrize(("count", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1))])
def test_a_tiny_class_goes_to_train_first_then_validation_then_test(count: int, expected: tuple[int, int, int]) -> None:
    items = candidates(count, 20)
    assert counted(items, assign(items), 0) == expected


def test_split_depends_on_seed_and_content_but_not_on_order() -> None:
    items = candidates(40, 40)
    assert assign(items, seed=1) == assign(items[::-1], seed=1)[::-1]
    assert assign(items, seed=1) != assign(items, seed=2)


def test_identical_files_share_a_split_even_across_classes() -> None:
    items = [Candidate(sha256=f"pair-{number // 2}", label=number % 2, given=None) for number in range(60)]
    items += candidates(10, 10)
    for seed in range(5):
        splits = assign(items, seed=seed)
        assert all(splits[number] == splits[number + 1] for number in range(0, 60, 2))
        assert {"train", "val", "test"} == set(splits)


def test_given_splits_stay_and_only_the_missing_one_is_carved_out_of_train() -> None:
    items = [Candidate(sha256=f"t{n}", label=n % 2, given="train") for n in range(100)]
    items += [Candidate(sha256=f"v{n}", label=n % 2, given="val") for n in range(30)]
    splits = assign(items)
    assert splits[100:] == ["val"] * 30
    assert Counter(splits[:100]) == {"train": 82, "test": 18}


def test_a_copy_of_a_given_validation_image_is_not_moved_out_of_train() -> None:
    items = [Candidate(sha256=f"t{n}", label=0, given="train") for n in range(4)]
    items += [Candidate(sha256=f"t{n}", label=0, given="val") for n in range(3)]
    assert assign(items)[:4].count("test") == 0


def test_everything_identical_stays_in_train() -> None:
    assert set(assign([Candidate(sha256="same", label=n % 2, given=None) for n in range(20)])) == {"train"}


@pytest.mark.parametrize("ratios", [(0.7, 0.7, 0.1), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_impossible_shares_are_refused(ratios: tuple[float, float, float]) -> None:
    with pytest.raises(DatasetError, match="add up to 1"):
        assign(candidates(10, 10), ratios=ratios)


def test_no_share_means_no_images() -> None:
    assert set(assign(candidates(50, 50), ratios=(0.8, 0.2, 0.0))) == {"train", "val"}


def test_fingerprint_sees_content_label_split_and_class_names_but_not_order() -> None:
    rows = [("a", 0, "train"), ("b", 1, "val")]
    base = fingerprint(("x", "y"), rows)
    assert fingerprint(("x", "y"), rows[::-1]) == base
    changed = (
        [("a", 0, "val"), ("b", 1, "val")],
        [("a", 1, "train"), ("b", 1, "val")],
        [("c", 0, "train"), ("b", 1, "val")],
    )
    assert len({base, fingerprint(("x", "z"), rows), *(fingerprint(("x", "y"), other) for other in changed)}) == 5


def test_shares_lie_within_each_other_and_hold_the_same_part_of_every_class() -> None:
    images = [(f"{label}-{number}", label) for label, count in enumerate((100, 40, 3)) for number in range(count)]
    shares = {percent: set(share_of(images, percent)) for percent in (1, 10, 25, 50, 100)}
    assert shares[1] < shares[10] < shares[25] < shares[50] < shares[100] == set(range(143))
    assert Counter(images[place][1] for place in shares[25]) == {0: 25, 1: 10, 2: 1}
    assert Counter(images[place][1] for place in shares[1]) == {0: 1, 1: 1, 2: 1}


def test_a_share_depends_on_content_and_not_on_order() -> None:
    images = [(f"image {number}", number % 2) for number in range(60)]
    turned = images[::-1]
    assert {images[place] for place in share_of(images, 30)} == {turned[place] for place in share_of(turned, 30)}
    assert share_of(images, 30) == sorted(share_of(images, 30))


def grouped(*groups: tuple[int, ...], given: str | None = None) -> list[Candidate]:
    """Group number n has so many images of each label."""
    return [
        Candidate(sha256=f"{place}-{label}-{number}", label=label, given=given, group=f"g{place}")
        for place, counts in enumerate(groups)
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def test_a_group_is_never_parted_whatever_classes_it_has() -> None:
    items = grouped(*[(4, 3)] * 30) + candidates(40, 40)
    for seed in range(3):
        splits = assign(items, seed=seed)
        homes = {(item.group, split) for item, split in zip(items, splits, strict=True) if item.group}
        assert len(homes) == 30
        for label in (0, 1):
            train, val, test = counted(items, splits, label)
            assert abs(train / (train + val + test) - 0.7) < 0.04 and abs(val - test) <= 4


def test_groups_of_one_class_each_are_divided_class_by_class() -> None:
    items = grouped(*[(5, 0)] * 20, *[(0, 5)] * 20)
    splits = assign(items)
    assert counted(items, splits, 0) == counted(items, splits, 1) == (70, 15, 15)


def test_few_groups_leave_no_split_empty_and_train_every_class() -> None:
    items = grouped((50, 0), (0, 50), (3, 3), (4, 4))
    splits = assign(items)
    assert set(splits) == {"train", "val", "test"}
    assert all(counted(items, splits, label)[0] for label in (0, 1))
    assert Counter(assign(grouped((9, 9), (5, 5)))) == {"train": 18, "val": 10}
    assert set(assign(grouped((9, 9)))) == {"train"}


def test_an_image_of_a_given_split_keeps_its_group_from_being_carved() -> None:
    items = [Candidate(sha256="t", label=0, given="train", group="p"), *candidates(9, given="train")]
    items += [Candidate(sha256="v", label=0, given="val", group="p")]
    for seed in range(5):
        splits = assign(items, seed=seed)
        assert (splits[0], splits[-1]) == ("train", "val") and "test" in splits


def test_copies_and_groups_hang_together_through_each_other() -> None:
    chain = [Candidate(sha256=f"s{(n + 1) // 2}", label=0, given=None, group=f"g{n // 2}") for n in range(12)]
    assert len({*assign(chain + candidates(50))[:12]}) == 1


def test_a_fingerprint_sees_groups_only_where_there_are_any() -> None:
    rows = [("a", 0, "train"), ("b", 1, "val")]
    base = fingerprint(("x", "y"), rows)
    assert fingerprint(("x", "y"), rows, ["", ""]) == base
    assert len({base, fingerprint(("x", "y"), rows, ["p", ""]), fingerprint(("x", "y"), rows, ["p", "p"])}) == 3
    assert base == "66c3843ad33afb94ebaf27f27ac903ab13ed29f20750bbd8632f76a0b06a5218"
