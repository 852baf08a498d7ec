"""Kept activations: the same bits as computing them, found again by everything that decides them, and never trusted
blindly."""

import dataclasses
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from engine.data.pixel_cache import Plane
from engine.data.preprocessing import Preprocessing
from engine.training import cuts, feature_cache
from engine.training.cuts import Slot
from engine.workspace import Workspace
from tests.engine.training.frozen import PRE, World, passes, same, train, wanted_by
from tests.engine.training.toy import config
from tests.pictures import make_dataset

RUNS = [
    ("resnet18", "linear_probe", 0),
    ("resnet18", "last_block", 2),
    ("resnet18", "gradual_unfreeze", 0),
    ("resnet18", "gradual_unfreeze", 2),
    ("resnet18", "probe_then_finetune", 2),
    ("resnet18", "probe_then_finetune", 0),
    ("resnet18", "head | 1; layer4, head | 1; head | 2", 0),  # a block that is frozen again is not what it was
    ("mobilenet_v3_small", "last_block", 0),  # dropout and in-place layers behind the cut
    ("mobilenet_v3_small", "linear_probe", 2),
    ("efficientnet_b0", "last_stage", 2),  # stochastic depth behind the cut
    ("densenet121", "last_block", 0),
]
PROBE = Slot(split="train", view=None, cut=9)


@pytest.fixture
def world(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Where computing counts for everything and reading for nothing, so that small models are worth keeping too."""
    monkeypatch.setattr(cuts, "READ_BYTES_PER_SECOND", 1e30)
    monkeypatch.setattr(cuts, "_CHEAP_BYTES", 1 << 40)
    with ExitStack() as stack:
        yield World(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "source"), stack=stack)


def files(world: World) -> list[Path]:
    return sorted(path for path in world.workspace.features.glob("*/*"))


def probe(**options: object) -> object:
    return config(**{"strategy": "linear_probe", "views": 0, **options})


@pytest.mark.parametrize(("backbone", "strategy", "views"), RUNS)
def test_reading_gives_the_bits_that_computing_gives(world: World, backbone: str, strategy: str, views: int) -> None:
    how = {"phases": strategy} if "|" in strategy else {"strategy": strategy}
    chosen = config(backbone=backbone, views=views, epochs=4, lr=0.01, **how)
    expected = train(world.open(chosen))
    origin = world.open(chosen)
    cache = world.fill(origin)
    kept = {path: path.read_bytes() for path in files(world)}
    assert set(cache.kept) == set(wanted_by(origin)) == cache.computed and len(kept) == len(cache.kept) > 0
    assert same(train(origin, cache), expected)
    assert all(one.rows_served for slot, one in cache.kept.items()), "every file is read"
    assert {path: path.read_bytes() for path in files(world)} == kept, "nothing is written into what is kept"
    later = world.open(chosen)
    assert same(train(later, world.fill(later)), expected)


@pytest.mark.parametrize("precision", ["bf16 channels-last", "bf16"])
def test_the_same_in_half_the_width(world: World, precision: str) -> None:
    chosen = config(strategy="last_stage", views=0, epochs=2, lr=0.01)
    expected = train(world.open(chosen, precision=precision))
    origin = world.open(chosen, precision=precision)
    cache = world.fill(origin)
    assert len(cache.kept) == 3 and same(train(origin, cache), expected)


def test_a_second_run_computes_nothing(world: World) -> None:
    first, second = (world.open(probe()) for _ in range(2))
    seen = passes(first), passes(second)
    train(first, world.fill(first))
    cache = world.fill(second)
    train(second, cache)
    assert sum(seen[0]) >= len(world.dataset.images) and seen[1] == []
    assert not cache.computed and {file.state for file in cache.report()} == {"found"} and cache.seconds == 0


def test_two_cuts_are_filled_in_one_pass(world: World) -> None:
    one, two = (world.open(probe()) for _ in range(2))
    both = {PROBE: 3, dataclasses.replace(PROBE, cut=7): 3}
    seen = passes(two)
    assert set(world.fill(two, both).computed) == set(both)
    once = list(seen)
    for path in files(world):
        path.unlink()
    seen = passes(one)
    world.fill(one, {PROBE: 3})
    assert once == seen != []


def test_a_deeper_cut_goes_on_from_the_one_that_is_there(world: World) -> None:
    world.fill(world.open(probe()), {dataclasses.replace(PROBE, cut=7): 3})
    expected = world.open(probe())
    origin = world.open(probe())
    seen = passes(origin)
    cache = world.fill(
        origin, {dataclasses.replace(PROBE, cut=7): 3, PROBE: 3, dataclasses.replace(PROBE, split="val"): 1}
    )
    assert len(cache.computed) == 2
    assert sum(seen) < len(world.dataset.images_of("train")), "only the validation images start from pixels"
    wanted = wanted_by(origin)
    assert same(train(origin, world.fill(origin, wanted)), train(expected))


def test_cuts_that_only_some_of_the_pictures_need_are_kept_too(world: World) -> None:
    """The test images are seen once, at the end, behind an earlier cut than training begins with."""
    origin = world.open(config(phases="head | 2; layer4, head | 2", epochs=4, views=0))
    assert set(world.fill(origin).kept) == set(wanted_by(origin))


DAMAGE = {
    "a flipped bit": lambda content, row: content[:row] + bytes([content[row] ^ 4]) + content[row + 1 :],
    "other values": lambda content, row: content[row : 2 * row] + content[:row] + content[2 * row :],
    "half of it": lambda content, row: content[: len(content) // 2],
    "nothing": lambda content, row: b"",
    "another description": lambda content, row: content.replace(b'"float32"', b'"float16"'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_damaged_is_noticed_and_computed_again(world: World, damage: str) -> None:
    world.fill(world.open(probe()))
    (path,) = world.workspace.features.glob("*/train-*")
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole, 512 * 4))
    assert path.read_bytes() != whole
    origin = world.open(probe())
    cache = world.fill(origin)
    assert [slot.split for slot in cache.computed] == ["train"]
    assert same(train(origin, cache), train(world.open(probe())))


def test_everything_that_decides_the_bits_decides_the_path(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = Slot(split="train", view=1, cut=5)
    origin = world.open(config(views=2))
    blocks = origin.training.chain.blocks

    def moved(index: int, name: str) -> feature_cache.Origin:
        return dataclasses.replace(origin, digests={**origin.digests, name: "other"})

    def path(other: feature_cache.Origin, **changes: object) -> Path:
        return feature_cache._folder(other) / feature_cache._file_name(other, dataclasses.replace(slot, **changes))  # type: ignore[arg-type]

    known = path(origin)
    assert (
        path(world.open(config(views=2))) == known == path(world.open(config(views=3, strategy="last_block", seed=5)))
    )
    assert path(moved(5, blocks[5].parameters[0])) == known, "what lies behind the cut has no say"
    others = [
        *(
            path(moved(index, name))
            for index in (0, 4)
            for name in (blocks[index].parameters[0], blocks[index].buffers[0])
        ),
        *(path(origin, **change) for change in ({"view": 0}, {"view": None}, {"cut": 4}, {"split": "val"})),
        path(world.open(config(views=2, data_seed=9))),
        path(world.open(config(views=2, augment="trivial"))),
        path(world.open(config(views=2), precision="bf16")),
        path(world.open(config(views=2), precision="fp32 channels-last")),
        path(world.open(config(views=2), preprocessing=dataclasses.replace(PRE, mean=(0.5,) * 3))),
        path(world.open(config(views=2), preprocessing=dataclasses.replace(PRE, std=(0.5,) * 3))),
        path(world.open(config(views=2), preprocessing=Preprocessing(resize=(40,), crop=32))),
        path(world.open(config(views=2, backbone="resnet34"))),
    ]
    for change in ((feature_cache, "_versions", lambda: ("0",)), (torch, "get_num_threads", lambda: 99)):
        with monkeypatch.context() as patch:
            patch.setattr(*change)
            others.append(path(origin))
    assert known not in others and len(set(others)) == len(others)


def test_weights_that_differ_before_the_cut_are_computed_anew(world: World) -> None:
    """The same name of a backbone is not the same backbone."""
    world.fill(world.open(probe()))
    origin = world.open(probe())
    with torch.no_grad():
        origin.training.chain.model.get_parameter("layer1.0.conv1.weight").mul_(1.5)
    known = feature_cache.Origin(**{**vars(origin), "digests": {**origin.digests, "layer1.0.conv1.weight": "other"}})
    cache = world.fill(known)
    assert cache.computed == set(wanted_by(origin))
    held = {slot: kept.batch(torch.arange(3).numpy()) for slot, kept in cache.kept.items()}
    older = world.fill(world.open(probe())).kept
    assert not any(torch.equal(held[slot], older[slot].batch(torch.arange(3).numpy())) for slot in held)


def test_stopping_half_way_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    origin = world.open(probe())
    wanted = {PROBE: 3}
    filling = feature_cache.ensure(origin, wanted)
    assert [next(filling)[0], next(filling)[0]] == [4, 8]
    assert [path.suffix for path in files(world)] == [".tmp"]
    filling.close()
    assert files(world) == [] and not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def test_a_file_that_is_removed_while_it_is_filled_is_done_without(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    origin = world.open(probe())
    filling, cache = feature_cache.ensure(origin, wanted_by(origin)), None
    next(filling)
    for path in files(world):  # what is being filled; others come later
        path.unlink()
    while cache is None:
        try:
            next(filling)
        except StopIteration as end:
            cache = end.value
    world.stack.callback(cache.close)
    assert len(cache.kept) == len(wanted_by(origin)) - 1
    assert same(train(origin, cache), train(world.open(probe())))


def test_planes_are_in_one_order_whatever_a_set_does(world: World) -> None:
    planes = [Plane(split=split, view=view) for split in ("test", "train") for view in (None, 0, 1)]  # type: ignore[arg-type]
    assert sorted(reversed(planes), key=feature_cache._order) == planes


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_on_a_gpu_the_arithmetic_decides_the_path_too(world: World, device: str) -> None:
    """Kernels that were picked by measuring are not those that repeat themselves; a CPU has only one kind."""
    origin = world.open(probe())
    paths = set()
    for arithmetic in ("fast", "reproducible"):
        chosen = dataclasses.replace(origin.training.config, arithmetic=arithmetic)
        there = SimpleNamespace(chain=origin.training.chain, device=torch.device(device), config=chosen)
        paths.add(feature_cache._folder(dataclasses.replace(origin, training=there)))  # type: ignore[arg-type]
    assert len(paths) == (1 if device == "cpu" else 2)


def test_what_a_killed_run_left_is_not_trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    killed = feature_cache.ensure(world.open(probe()), {PROBE: 3})
    next(killed)
    (left,) = files(world)
    origin = world.open(probe())
    cache = world.fill(origin)
    assert cache.computed == set(wanted_by(origin)) and left.exists()
    assert same(train(origin, cache), train(world.open(probe())))
    os.utime(left, (1, 1))
    world.fill(origin, {dataclasses.replace(PROBE, cut=3): 2})
    assert not left.exists()
    killed.close()


def test_a_budget_of_nothing_keeps_nothing_and_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", "0")
    origin = world.open(probe())
    cache = world.fill(origin)
    assert not cache.kept and files(world) == []
    assert same(train(origin, cache), train(world.open(probe())))


def test_the_budget_holds_over_all_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill(world.open(probe()))
    for path in files(world):
        os.utime(path, (1000, 1000))
    old = files(world)
    budget = sum(path.stat().st_size for path in old) + 600
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", str(budget / 2**30))
    other = world.open(probe(backbone="resnet34"))
    assert world.fill(other).kept
    assert not any(path.exists() for path in old) and sum(path.stat().st_size for path in files(world)) <= budget


@pytest.mark.parametrize(
    "room", [0, 5, 32], ids=["at once", "half-way", "at the very end"]
)  # of 30 rows and the ends of 3 files
def test_a_full_disk_means_computing_and_not_stopping(world: World, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    real, written = os.pwrite, []
    origin, plain = world.open(probe()), world.open(probe())
    for made in (origin, plain):  # so that decoding writes nothing any more
        for split, source in made.sources.items():
            source.batch(torch.arange(len(made.sources[split].targets)).numpy(), None)

    def filling(*arguments: object) -> int:
        written.append(1)
        if len(written) > room:
            raise OSError(28, "No space left on device")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "pwrite", filling)
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    cache = world.fill(origin)
    assert all(0 < done <= total for done, total in world.steps) and world.steps[-1][0] == world.steps[-1][1]
    assert len(written) > room and sorted(kept.path for kept in cache.kept.values()) == files(world)
    assert len(cache.kept) == {0: 0, 5: 0, 32: 2}[room]
    assert same(train(origin, cache), train(plain))
