import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pixels import PRE, everything, filled, opened, right, training

from engine.data import pixel_cache, row_file
from engine.data.dataset_records import Dataset, Rendering
from engine.data.decoder import decode
from engine.data.pixel_cache import Augmentation, Pixels, Plane
from engine.data.preprocessing import Preprocessing
from engine.errors import TrainingError
from engine.workspace import Workspace

PLANE_BYTES = 3 * 16 * 16
Patch = pytest.MonkeyPatch


@pytest.fixture
def decoded(monkeypatch: Patch) -> list[int]:
    """How often an image was decoded, as a list of one number per call."""
    calls: list[int] = []

    def counting(source: bytes, *, side: int, rendering: Rendering) -> object:
        calls.append(side)
        return decode(source, side=side, rendering=rendering)

    monkeypatch.setattr(pixel_cache, "decode", counting)
    return calls


@pytest.mark.parametrize("views", [0, 3, 50])
def test_batches_are_the_pure_functions_whether_kept_or_made(dataset: Dataset, views: int) -> None:
    indices = np.array([5, 0, 23, 5, 11])
    with opened(dataset, views, data_seed=9) as pixels:
        assert right(pixels, None, indices)
        for epoch in (0, 1, 4):
            assert right(pixels, epoch, indices)


def show(pixels: Pixels, dataset: Dataset, epochs: int) -> None:
    """What a run asks for: the training images epoch by epoch in small batches, the others every time."""
    train = training(dataset)
    others = np.array([image.index for image in dataset.images if image.split != "train"])
    for epoch in range(epochs):
        for start in range(0, len(train), 5):
            pixels.batch(train[start : start + 5], epoch)
        pixels.batch(others, None)


def cache(workspace: Workspace) -> list[Path]:
    return sorted(path for path in workspace.pixels.glob("*/*") if path.suffix == ".rows")


def test_nothing_is_decoded_before_it_is_asked_for(dataset: Dataset, decoded: list[int]) -> None:
    with opened(dataset, 3) as pixels:
        assert decoded == [] and len(pixels.kept) == 5
        pixels.batch(np.array([3]), 0)
        assert len(decoded) == 1


def test_what_a_run_asks_for_is_decoded_once_and_never_again(
    workspace: Workspace, dataset: Dataset, decoded: list[int]
) -> None:
    for _ in range(2):
        with opened(dataset, 3) as pixels:
            show(pixels, dataset, 6)
        assert len(decoded) == len(dataset.images), "one decoding per image gives all three views"
    assert len(cache(workspace)) == 5  # three views, val, test
    with opened(dataset, 2) as pixels:
        show(pixels, dataset, 2)
    assert len(decoded) == len(dataset.images)


def test_views_that_came_later_are_decoded_without_the_ones_that_are_there(
    dataset: Dataset, decoded: list[int]
) -> None:
    train = training(dataset)
    for views in (1, 3):
        decoded.clear()
        with opened(dataset, views) as pixels:
            show(pixels, dataset, 4)
            assert all(right(pixels, epoch, train) for epoch in range(views))
        assert len(decoded) == len(train if views == 3 else dataset.images)


def test_training_crops_without_views_are_kept_too(dataset: Dataset, decoded: list[int]) -> None:
    for _ in range(2):
        filled(dataset)
    assert len(decoded) == len(dataset.images)


def test_as_many_views_as_epochs_are_not_kept(dataset: Dataset) -> None:
    with opened(dataset, 4, epochs=4) as pixels:
        assert {plane.split for plane in pixels.kept} == {"val", "test"}
        assert right(pixels, 3)
    with opened(dataset, 4, epochs=5) as pixels:
        assert Plane(split="train", view=3) in pixels.kept


def test_a_run_that_was_killed_half_way_leaves_nothing_that_is_trusted(
    workspace: Workspace, dataset: Dataset, decoded: list[int]
) -> None:
    killed = opened(dataset)
    killed.batch(everything(dataset)[:3], None)  # and never closed: what it has written so far stays behind
    left = list(workspace.pixels.glob("*/*"))
    assert left and {path.suffix for path in left} == {".tmp"}
    decoded.clear()
    filled(dataset)
    assert len(decoded) == len(dataset.images)
    for path in left:
        os.utime(path, (1, 1))
    opened(dataset).close()
    assert not any(path.exists() for path in left)
    killed.close()


def test_closing_half_way_keeps_nothing(workspace: Workspace, dataset: Dataset) -> None:
    with opened(dataset, 2) as pixels:
        pixels.batch(everything(dataset)[:3], 0)
    assert list(workspace.pixels.glob("*/*")) == []


@pytest.mark.parametrize("damage", [lambda size: size // 2, lambda size: 0, lambda size: size + 1])
def test_a_file_of_the_wrong_size_is_made_again(
    workspace: Workspace, dataset: Dataset, decoded: list[int], damage: Callable[[int], int]
) -> None:
    filled(dataset)
    for path in cache(workspace):
        os.truncate(path, damage(path.stat().st_size))
    decoded.clear()
    for _ in range(2):
        filled(dataset)
        assert len(decoded) == len(dataset.images)


@pytest.mark.parametrize("position", [0, 2 * PLANE_BYTES + 7])
def test_a_damaged_row_is_decoded_again_and_its_file_made_anew(
    workspace: Workspace, dataset: Dataset, decoded: list[int], position: int
) -> None:
    filled(dataset)
    (path,) = workspace.pixels.glob("*/train-eval.rows")
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)
    decoded.clear()
    with opened(dataset) as pixels:
        for times in (1, 2):
            assert right(pixels)
            assert len(decoded) == times, "the one damaged row, and no other"
    decoded.clear()
    for _ in range(2):
        filled(dataset)
    assert len(decoded) == len(dataset.images_of("train"))


def test_other_inputs_do_not_share_files(dataset: Dataset) -> None:
    indices = everything(dataset)
    with opened(dataset, 1) as pixels:
        show(pixels, dataset, 1)
    bicubic = Preprocessing(resize=(20,), crop=16, interpolation="bicubic")
    with (
        opened(dataset, 1, data_seed=5) as seeded,
        opened(dataset, 0, preprocessing=bicubic) as other,
        Pixels(dataset, bicubic, Augmentation(views=0)) as unkept,
    ):
        assert right(seeded, 0)
        assert torch.equal(other.batch(indices, None), unkept.batch(indices, None))


def test_mean_and_deviation_change_no_pixels(dataset: Dataset, decoded: list[int]) -> None:
    filled(dataset)
    decoded.clear()
    normalised = replace(PRE, mean=(0.5,) * 3, std=(0.5,) * 3)
    with opened(dataset, 0, preprocessing=normalised) as pixels:
        assert right(pixels)
    assert decoded == []


def test_another_policy_of_augmentation_is_another_file(dataset: Dataset) -> None:
    seen = []
    for policy in ("crop", "trivial", "crop"):
        with opened(dataset, 1, policy=policy) as pixels:
            seen.append(pixels.batch(training(dataset), 0))
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1])


def test_beyond_the_budget_images_are_decoded_on_the_way(dataset: Dataset, monkeypatch: Patch) -> None:
    held_out = len(dataset.images) - len(training(dataset))
    monkeypatch.setenv("THAW_PIXEL_CACHE_GB", str((held_out * PLANE_BYTES + 10) / 2**30))
    with opened(dataset) as pixels:
        assert {plane.split for plane in pixels.kept} == {"val", "test"}
        assert right(pixels)


def test_a_budget_of_nothing_leaves_no_files(workspace: Workspace, dataset: Dataset, monkeypatch: Patch) -> None:
    monkeypatch.setenv("THAW_PIXEL_CACHE_GB", "0")
    with opened(dataset) as pixels:
        assert pixels.kept == frozenset()
        assert right(pixels)
    assert list(workspace.pixels.glob("*/*")) == []


def test_the_least_recently_used_go_first(
    workspace: Workspace, dataset: Dataset, decoded: list[int], monkeypatch: Patch
) -> None:
    sizes = {size: Preprocessing(resize=(size,), crop=16) for size in (20, 21, 22)}

    def seen(size: int) -> None:
        with opened(dataset, 0, preprocessing=sizes[size]) as pixels:
            pixels.batch(everything(dataset), None)

    for age, size in ((300, 20), (200, 21)):
        seen(size)
        for path in cache(workspace):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    seen(20)  # used again: now 21 is the oldest
    budget = 2 * sum(path.stat().st_size for path in cache(workspace)) // 2 + 100
    monkeypatch.setenv("THAW_PIXEL_CACHE_GB", str(budget / 2**30))
    seen(22)
    assert sum(path.stat().st_size for path in cache(workspace)) <= budget
    decoded.clear()
    seen(20)
    seen(22)
    assert decoded == [], "20 and 22 were used last and must still be there"
    seen(21)
    assert decoded != []


@pytest.mark.parametrize("harm", ["gone", "damaged", "other"])
@pytest.mark.parametrize("views", [0, 100])
def test_an_image_that_changed_since_the_import_is_named(dataset: Dataset, harm: str, views: int) -> None:
    image = dataset.images_of("train")[3]
    path, other = dataset.image_path(image), dataset.image_path(dataset.images_of("train")[4])
    path.unlink()
    if harm != "gone":
        path.write_bytes(b"broken" if harm == "damaged" else other.read_bytes())
    with pytest.raises(TrainingError, match=image.name), opened(dataset, views) as pixels:
        pixels.batch(np.array([image.index]), 0)


@pytest.mark.parametrize("room", [0, 5, 24], ids=["at once", "half-way", "at the very end"])
def test_a_full_disk_means_slower_and_not_stopped(
    workspace: Workspace, dataset: Dataset, monkeypatch: Patch, room: int
) -> None:
    written, real = [], os.pwrite

    def filling(*arguments: object) -> int:
        written.append(1)
        if len(written) > room:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, "pwrite", filling)
    filled(dataset)
    assert len(written) > room and list(workspace.pixels.glob("*/*")) == []
    monkeypatch.setattr(os, "pwrite", real)
    filled(dataset)
    assert len(cache(workspace)) == 3


def test_a_disk_with_no_room_is_not_begun_on(dataset: Dataset, monkeypatch: Patch) -> None:
    monkeypatch.setattr(row_file, "free_bytes", lambda folder: PLANE_BYTES)
    with opened(dataset) as pixels:
        assert pixels.kept == frozenset()
        assert right(pixels)
