import os
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import make_folder, many

from engine.data import pixels as wing
from engine.data.dataset import Dataset, commit
from engine.data.images import Preprocessing, decode, eval_crop, view, view_key, view_side
from engine.data.importer import scan
from engine.data.pixels import Pixels, Plane, ensure
from engine.errors import TrainingError
from engine.workspace import Workspace

PRE = Preprocessing(resize=(20,), crop=16)
PLANE_BYTES = 3 * 16 * 16


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Dataset:
    return commit(workspace, scan(workspace, make_folder(tmp_path / "set", many("ants", 12) | many("bees", 12, 100))))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often an image was decoded, as a list of one number per call."""
    calls: list[int] = []

    def counting(source: bytes, *, side: int = 0) -> object:
        calls.append(side)
        return decode(source, side=side)

    monkeypatch.setattr(wing, "decode", counting)
    return calls


def everything(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset.images))


def expected(dataset: Dataset, index: int, number: int | None, seed: int = 0) -> np.ndarray:
    image = dataset.images[index]
    if number is None:
        return eval_crop(decode(dataset.image_path(image)), PRE).transpose(2, 0, 1)
    shown = decode(dataset.image_path(image), side=view_side(PRE))
    return view(shown, PRE, key=view_key(image.sha256, number, seed)).transpose(2, 0, 1)


def same(batch: torch.Tensor, dataset: Dataset, indices: np.ndarray, number: int | None, seed: int = 0) -> bool:
    assert batch.dtype == torch.uint8 and batch.is_contiguous() and batch.shape == (len(indices), 3, 16, 16)
    return np.array_equal(batch.numpy(), np.stack([expected(dataset, int(index), number, seed) for index in indices]))


@pytest.mark.parametrize("views", [0, 3, 50])
def test_batches_are_the_pure_functions_whether_kept_or_made(workspace: Workspace, dataset: Dataset, views: int) -> None:
    indices = np.array([5, 0, 23, 5, 11])
    with ensure(workspace, dataset, PRE, views, 9) as pixels:
        assert same(pixels.batch(indices, None), dataset, indices, None)
        for epoch in (0, 1, 4):
            assert same(pixels.batch(indices, epoch), dataset, indices, epoch % views if views else None, 9)


def test_what_a_run_asks_for_is_decoded_once_and_never_again(workspace: Workspace, dataset: Dataset, decoded: list[int]) -> None:
    train = np.array([image.index for image in dataset.images_of("train")])
    others = np.array([image.index for image in dataset.images if image.split != "train"])
    with ensure(workspace, dataset, PRE, 3, 0) as pixels:
        assert len(decoded) == len(dataset.images), "one decoding per image gives all three views"
        for epoch in range(6):
            pixels.batch(train, epoch)
            pixels.batch(others, None)
    with ensure(workspace, dataset, PRE, 2, 0):
        pass
    assert len(decoded) == len(dataset.images)


def test_as_many_views_as_epochs_are_not_kept(workspace: Workspace, dataset: Dataset) -> None:
    with ensure(workspace, dataset, PRE, 4, 0, epochs=4) as pixels:
        assert {plane.split for plane in pixels.kept} == {"val", "test"}
        indices = everything(dataset)
        assert same(pixels.batch(indices, 3), dataset, indices, 3)
    with ensure(workspace, dataset, PRE, 4, 0, epochs=5) as pixels:
        assert Plane(split="train", view=3) in pixels.kept


class Killed(BaseException):
    pass


def test_a_half_written_cache_is_never_trusted(workspace: Workspace, dataset: Dataset) -> None:
    def killed(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        ensure(workspace, dataset, PRE, 0, 0, killed)
    assert [path for path in workspace.pixels.glob("*/*") if path.suffix == ".u8"] == []
    with ensure(workspace, dataset, PRE, 0, 0) as pixels:
        assert same(pixels.batch(everything(dataset), None), dataset, everything(dataset), None)


@pytest.mark.parametrize("damage", [lambda size: size // 2, lambda size: 0, lambda size: size + 1])
def test_a_file_of_the_wrong_size_is_made_again(workspace: Workspace, dataset: Dataset, damage: object) -> None:
    ensure(workspace, dataset, PRE, 0, 0).close()
    for path in workspace.pixels.glob("*/*.u8"):
        os.truncate(path, damage(path.stat().st_size))  # type: ignore[operator]
    with ensure(workspace, dataset, PRE, 0, 0) as pixels:
        assert same(pixels.batch(everything(dataset), None), dataset, everything(dataset), None)


def test_other_inputs_do_not_share_files(workspace: Workspace, dataset: Dataset) -> None:
    indices = everything(dataset)
    ensure(workspace, dataset, PRE, 1, 0).close()
    bicubic = Preprocessing(resize=(20,), crop=16, interpolation="bicubic")
    with (
        ensure(workspace, dataset, PRE, 1, 5) as seeded,
        ensure(workspace, dataset, bicubic, 0, 0) as other,
        Pixels(dataset, bicubic, views=0, data_seed=0) as unkept,
    ):
        assert same(seeded.batch(indices, 0), dataset, indices, 0, 5)
        assert torch.equal(other.batch(indices, None), unkept.batch(indices, None))


def test_mean_and_deviation_change_no_pixels(workspace: Workspace, dataset: Dataset, decoded: list[int]) -> None:
    ensure(workspace, dataset, PRE, 0, 0).close()
    before = len(decoded)
    ensure(workspace, dataset, Preprocessing(resize=(20,), crop=16, mean=(0.5,) * 3, std=(0.5,) * 3), 0, 0).close()
    assert len(decoded) == before


def test_beyond_the_budget_images_are_decoded_on_the_way(workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = len(dataset.images) - len(dataset.images_of("train"))
    monkeypatch.setenv("THAW_PIXEL_CACHE_GB", str((held_out * PLANE_BYTES + 10) / 2**30))
    indices = everything(dataset)
    with ensure(workspace, dataset, PRE, 0, 0) as pixels:
        assert {plane.split for plane in pixels.kept} == {"val", "test"}
        assert same(pixels.batch(indices, None), dataset, indices, None)
    monkeypatch.setenv("THAW_PIXEL_CACHE_GB", "0")
    with ensure(workspace, dataset, PRE, 0, 0) as pixels:
        assert pixels.kept == frozenset()
        assert same(pixels.batch(indices, None), dataset, indices, None)


def test_the_least_recently_used_go_first(workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(dataset.images) * PLANE_BYTES
    monkeypatch.setenv("THAW_PIXEL_CACHE_GB", str(2.5 * whole / 2**30))
    sizes = {size: Preprocessing(resize=(size,), crop=16) for size in (20, 21, 22)}
    for age, size in ((300, 20), (200, 21)):
        ensure(workspace, dataset, sizes[size], 0, 0).close()
        for path in workspace.pixels.glob("*/*.u8"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    ensure(workspace, dataset, sizes[20], 0, 0).close()  # used again: now 21 is the oldest
    survivors = {path.parent.name for path in workspace.pixels.glob("*/*.u8")}
    with ensure(workspace, dataset, sizes[22], 0, 0) as pixels:
        assert len(pixels.kept) == 3
    now = [path for path in workspace.pixels.glob("*/*.u8")]
    assert sum(path.stat().st_size for path in now) <= 2.5 * whole
    folders = {path.parent.name for path in now if path.name == "train-eval.u8"}
    assert len(survivors) == 2 and len(folders) == 2
    monkeypatch.setattr(wing, "_build", lambda *arguments: pytest.fail("20 was used last and must still be there"))
    ensure(workspace, dataset, sizes[20], 0, 0).close()


def test_left_overs_of_a_crash_are_swept(workspace: Workspace) -> None:
    folder = workspace.pixels / "pixels-x"
    folder.mkdir(parents=True)
    for name, age in (("old.tmp", 1), ("young.tmp", 4e9)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (age, age))
    wing.evict(workspace, 10**9)
    assert [path.name for path in folder.iterdir()] == ["young.tmp"]


@pytest.mark.parametrize("harm", ["gone", "damaged", "other"])
@pytest.mark.parametrize("views", [0, 100])
def test_an_image_that_changed_since_the_import_is_named(workspace: Workspace, dataset: Dataset, harm: str, views: int) -> None:
    image = dataset.images_of("train")[3]
    path = dataset.image_path(image)
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"broken" if harm == "damaged" else dataset.image_path(dataset.images_of("train")[4]).read_bytes())
    with pytest.raises(TrainingError, match=image.name), ensure(workspace, dataset, PRE, views, 0) as pixels:
        pixels.batch(np.array([image.index]), 0)


def test_a_full_disk_means_slower_and_not_stopped(workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wing, "atomic_path", full)
    with ensure(workspace, dataset, PRE, 0, 0) as pixels:
        assert pixels.kept == frozenset()
        assert same(pixels.batch(everything(dataset), None), dataset, everything(dataset), None)
