"""Kept activations: the same bits as computing them, found again by everything that decides them, and never trusted
blindly."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.data.preprocessing import Preprocessing
from engine.training.audit import digests
from engine.training.frozen import cuts, feature_cache
from engine.training.frozen.cuts import Slot
from engine.training.frozen.feature_cache import Origin
from engine.training.frozen.prefix import through_frozen
from engine.workspace import Workspace
from tests.engine.training.frozen import PRE, World, passes, same, train, wanted_by
from tests.engine.training.toy import config
from tests.pictures import make_dataset

RUNS = [
    *(("resnet18", strategy, views) for strategy in ("gradual_unfreeze", "probe_then_finetune") for views in (0, 2)),
    ("resnet18", "linear_probe", 2),
    ("resnet18", "linear_probe_steps", 0),
    ("resnet18", "last_block", 2),
    ("resnet18", "head | 1; layer4, head | 1; head | 2", 0),  # a block that is frozen again is not what it was
    ("mobilenet_v3_small", "last_block", 0),  # dropout and in-place layers behind the cut
    ("mobilenet_v3_small", "linear_probe_steps", 2),
    ("efficientnet_b0", "last_stage", 2),  # stochastic depth behind the cut
    ("densenet121", "last_block", 0),
]
PROBE = Slot(split="train", view=None, cut=9)
EARLIER = replace(PROBE, cut=7)


@pytest.fixture
def world(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Where computing counts for everything and reading for nothing, so that small models are worth keeping too."""
    monkeypatch.setattr(cuts, "READ_BYTES_PER_SECOND", 1e30)
    monkeypatch.setattr(cuts, "_CHEAP_BYTES", 1 << 40)
    with ExitStack() as stack:
        yield World(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "source"), stack=stack)


def files(world: World) -> list[Path]:
    return sorted(world.workspace.features.glob("*/*"))


def probe(world: World, **options: object) -> Origin:
    return world.open(config(**{"strategy": "linear_probe_steps", "views": 0, **options}))


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
    assert all(kept.rows_served for kept in cache.kept.values()), "every file is read"
    assert {path: path.read_bytes() for path in files(world)} == kept, "nothing is written into what is kept"
    later = world.open(chosen)
    assert same(train(later, world.fill(later)), expected)


@pytest.mark.parametrize("precision", ["bf16 channels-last", "bf16", "fp32 fused", "fp32 channels-last fused"])
def test_the_same_in_half_the_width_and_with_fused_layers(world: World, precision: str) -> None:
    chosen = config(strategy="last_stage", views=0, epochs=2, lr=0.01)
    expected = train(world.open(chosen, precision=precision))
    origin = world.open(chosen, precision=precision)
    cache = world.fill(origin)
    assert len(cache.kept) == 3 and same(train(origin, cache), expected)


def test_fused_layers_leave_what_is_frozen_as_it_was(world: World) -> None:
    """Also where a block trains, freezes again, and is then read through fused layers."""
    chosen = config(phases="layer4, head | 1; head | 1", views=0, epochs=2, lr=0.01)
    origin = world.open(chosen, precision="fp32 fused")
    tensors, _ = train(origin)
    after = digests(tensors)
    moved = {name for name, digest in origin.digests.items() if after[name] != digest}
    assert moved == {name for name in moved if name.startswith(("layer4", "fc"))} != set()
    chain, images = origin.training.chain, origin.sources["train"].batch(np.arange(3), None)
    seen = []
    with torch.no_grad():
        for chain.fuses in (True, False):
            seen.append(through_frozen(chain, images, start=0, stop=PROBE.cut))
    assert not torch.equal(*seen), "it is another order of sums"
    assert torch.allclose(*seen, atol=1e-4)


def test_a_second_run_computes_nothing(world: World) -> None:
    first, second = probe(world), probe(world)
    seen = passes(first), passes(second)
    train(first, world.fill(first))
    cache = world.fill(second)
    train(second, cache)
    assert sum(seen[0]) >= len(world.dataset.images) and seen[1] == []
    assert not cache.computed and {file.state for file in cache.report()} == {"found"} and cache.seconds == 0


def test_two_cuts_are_filled_in_one_pass(world: World) -> None:
    one, two = probe(world), probe(world)
    seen = passes(one), passes(two)
    assert world.fill(two, {PROBE: 3, EARLIER: 3}).computed == {PROBE, EARLIER}
    for path in files(world):
        path.unlink()
    world.fill(one, {PROBE: 3})
    assert seen[0] == seen[1] != []


def test_a_deeper_cut_goes_on_from_the_one_that_is_there(world: World) -> None:
    world.fill(probe(world), {EARLIER: 3})
    origin = probe(world)
    seen = passes(origin)
    cache = world.fill(origin, {EARLIER: 3, PROBE: 3, replace(PROBE, split="val"): 1})
    assert len(cache.computed) == 2
    assert sum(seen) < len(world.dataset.images_of("train")), "only the validation images start from pixels"
    assert same(train(origin, world.fill(origin)), train(probe(world)))


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
    world.fill(probe(world))
    (path,) = world.workspace.features.glob("*/train-*")
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole, 512 * 4))
    assert path.read_bytes() != whole
    origin = probe(world)
    cache = world.fill(origin)
    assert [slot.split for slot in cache.computed] == ["train"]
    assert same(train(origin, cache), train(probe(world)))


def test_everything_that_decides_the_bits_decides_the_path(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = Slot(split="train", view=1, cut=5)
    origin = world.open(config(views=2))
    blocks = origin.training.chain.blocks

    def path(other: Origin, slot: Slot = slot) -> Path:
        return feature_cache._folder(other) / feature_cache._file_name(other, slot)

    def moved(name: str) -> Path:
        return path(replace(origin, digests={**origin.digests, name: "other"}))

    def opened(*, precision: str = "fp32", preprocessing: Preprocessing = PRE, **options: object) -> Path:
        return path(world.open(config(**{"views": 2, **options}), precision=precision, preprocessing=preprocessing))

    known = path(origin)
    assert opened() == known == opened(views=3, strategy="last_block", seed=5)
    assert moved(blocks[5].parameters[0]) == known, "what lies behind the cut has no say"
    others = [
        *(moved(names[0]) for block in (blocks[0], blocks[4]) for names in (block.parameters, block.buffers)),
        *(path(origin, replace(slot, view=view)) for view in (0, None)),
        path(origin, replace(slot, cut=4)),
        path(origin, replace(slot, split="val")),
        opened(data_seed=9),
        opened(augment="trivial"),
        opened(backbone="resnet34"),
        *(opened(precision=precision) for precision in ("bf16", "fp32 channels-last", "fp32 fused")),
        *(opened(preprocessing=replace(PRE, **{moment: (0.5,) * 3})) for moment in ("mean", "std")),
        opened(preprocessing=Preprocessing(resize=(40,), crop=32)),
    ]
    source = SimpleNamespace(versions=("0",))
    for changed in ((feature_cache, "source_of", lambda backbone: source), (torch, "get_num_threads", lambda: 99)):
        with monkeypatch.context() as patch:
            patch.setattr(*changed)
            others.append(path(origin))
    assert known not in others and len(set(others)) == len(others)


def test_weights_that_differ_before_the_cut_are_computed_anew(world: World) -> None:
    """The same name of a backbone is not the same backbone."""
    world.fill(probe(world))
    origin = probe(world)
    with torch.no_grad():
        origin.training.chain.model.get_parameter("layer1.0.conv1.weight").mul_(1.5)
    cache = world.fill(replace(origin, digests={**origin.digests, "layer1.0.conv1.weight": "other"}))
    assert cache.computed == set(wanted_by(origin))
    older, rows = world.fill(probe(world)).kept, np.arange(3)
    assert not any(torch.equal(kept.batch(rows), older[slot].batch(rows)) for slot, kept in cache.kept.items())


def test_stopping_half_way_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    filling = feature_cache.ensure(probe(world), {PROBE: 3})
    assert [next(filling)[0], next(filling)[0]] == [4, 8]
    assert [path.suffix for path in files(world)] == [".tmp"]
    filling.close()
    assert files(world) == [] and not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def test_a_file_that_is_removed_while_it_is_filled_is_done_without(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    origin = probe(world)
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
    assert same(train(origin, cache), train(probe(world)))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_on_a_gpu_the_arithmetic_decides_the_path_too(world: World, device: str) -> None:
    """Kernels that were picked by measuring are not those that repeat themselves; a CPU has only one kind."""
    origin = probe(world)
    paths = set()
    for arithmetic in ("fast", "reproducible"):
        chosen = replace(origin.training.config, arithmetic=arithmetic)
        there = SimpleNamespace(chain=origin.training.chain, device=torch.device(device), config=chosen)
        paths.add(feature_cache._folder(replace(origin, training=there)))
    assert len(paths) == (1 if device == "cpu" else 2)


def test_what_a_killed_run_left_is_not_trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    killed = feature_cache.ensure(probe(world), {PROBE: 3})
    next(killed)
    (left,) = files(world)
    origin = probe(world)
    cache = world.fill(origin)
    assert cache.computed == set(wanted_by(origin)) and left.exists()
    assert same(train(origin, cache), train(probe(world)))
    os.utime(left, (1, 1))
    world.fill(origin, {replace(PROBE, cut=3): 2})
    assert not left.exists()
    killed.close()


def test_a_budget_of_nothing_keeps_nothing_and_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", "0")
    origin = probe(world)
    cache = world.fill(origin)
    assert not cache.kept and files(world) == []
    assert same(train(origin, cache), train(probe(world)))


def test_the_budget_holds_over_all_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill(probe(world))
    for path in files(world):
        os.utime(path, (1000, 1000))
    old = files(world)
    budget = sum(path.stat().st_size for path in old) + 600
    monkeypatch.setenv("THAW_FEATURE_CACHE_GB", str(budget / 2**30))
    other = probe(world, backbone="resnet34")
    assert world.fill(other).kept
    assert not any(path.exists() for path in old) and sum(path.stat().st_size for path in files(world)) <= budget


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (5, 0), (32, 2)])
def test_a_full_disk_means_computing_and_not_stopping(
    world: World, monkeypatch: pytest.MonkeyPatch, room: int, kept: int
) -> None:
    """At once, half-way, and at the very end: 30 rows and the ends of 3 files are written."""
    real, written = os.pwrite, []
    origin, plain = probe(world), probe(world)
    for made in (origin, plain):  # so that decoding writes nothing any more
        for source in made.sources.values():
            source.batch(np.arange(len(source.targets)), None)

    def filling(*arguments: object) -> int:
        written.append(1)
        if len(written) > room:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, "pwrite", filling)
    monkeypatch.setattr(feature_cache, "_BATCH", 4)
    cache = world.fill(origin)
    assert all(0 < done <= total for done, total in world.steps) and world.steps[-1][0] == world.steps[-1][1]
    assert len(written) > room and sorted(file.path for file in cache.kept.values()) == files(world)
    assert len(cache.kept) == kept
    assert same(train(origin, cache), train(plain))
