"""The contenders: they start alike, they learn, and the bare computation is the same mathematics as Thaw's."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from engine import devices
from engine.bench import bare, fastai_loop
from engine.bench.bare import train_bare
from engine.bench.classic import classic_model, fixed_transform, loaders, train_classic
from engine.bench.rows import ONE
from engine.bench.setting import Setting, prepare
from engine.bench.thaw import train_thaw
from engine.data.decoder import decode
from engine.data.preprocessing import eval_crop
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run_store import RunStore


def test_everybody_starts_from_equal_weights(setting: Setting) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    chain = setting.chain(3)
    theirs = classic_model("resnet18", 3, setting.start(3)).eval()
    with torch.no_grad():
        assert torch.equal(theirs(images), chain.model(images))
        assert not torch.equal(classic_model("resnet18", 3, setting.start(4)).eval()(images), theirs(images)), (
            "a seed has its own head"
        )
    bodies = [
        {name: value for name, value in setting.chain(seed).model.state_dict().items() if "fc" not in name}
        for seed in (3, 4)
    ]
    assert all(torch.equal(bodies[0][name], bodies[1][name]) for name in bodies[0])


@pytest.mark.filterwarnings("default")  # other people's
@pytest.mark.skipif(not fastai_loop.installed(), reason="fastai is optional")
def test_fastai_starts_from_the_same_weights_and_trains_what_thaw_trains(setting: Setting) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    names = setting.phase("last_block", 3).parameters
    learner = fastai_loop.make_learner(setting, "last_block", 3, names=names, workers=0)
    with torch.no_grad():
        assert torch.allclose(learner.model.eval()(images), setting.chain(3).model(images), atol=1e-5)
    norms = {id(p) for m in learner.model.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters()}
    trained = {id(p) for p in learner.model.parameters() if p.requires_grad} - norms
    ours = [
        value
        for name, value in setting.chain(3).model.named_parameters()
        if name in names and (value.ndim > 1 or name == "fc.bias")
    ]
    assert len(trained) == len(ours)
    assert fastai_loop.train_fastai(setting, "linear_probe", 0, workers=0).accuracy > 0.3


def test_the_classic_loop_sees_the_pixels_that_thaw_sees(setting: Setting) -> None:
    transform, (train, val) = fixed_transform(setting.preprocessing), loaders(setting, workers=0)
    images = setting.dataset.images_of("val")
    assert [label for _, label in val.dataset.samples] == [image.label for image in images]  # type: ignore[attr-defined]
    assert len(train.dataset) == 24  # type: ignore[arg-type]
    decoded = decode(setting.dataset.image_path(images[0]).read_bytes())
    mean, deviation = (
        torch.tensor(values).view(3, 1, 1) for values in (setting.preprocessing.mean, setting.preprocessing.std)
    )
    ours = (torch.from_numpy(eval_crop(decoded, setting.preprocessing)).permute(2, 0, 1) / 255 - mean) / deviation
    assert torch.allclose(transform(decoded), ours, atol=1e-6)


def test_the_classic_loop_learns_and_leaves_frozen_weights_alone(setting: Setting) -> None:
    longer = replace(setting, recipe=replace(setting.recipe, epochs=8))
    outcome = train_classic(longer, "linear_probe", 0, workers=0)
    start = torch.load(setting.start(0), weights_only=True)
    assert outcome.accuracy > 0.6  # three colours
    assert torch.equal(outcome.state["layer4.1.conv2.weight"], start["layer4.1.conv2.weight"])
    assert not torch.equal(outcome.state["fc.weight"], start["fc.weight"])
    assert not torch.equal(outcome.state["bn1.running_mean"], start["bn1.running_mean"]), "as in the notebooks"


@pytest.mark.parametrize("training", ["linear_probe", "views"])
def test_the_bare_computation_ends_at_the_weights_of_thaw(setting: Setting, training: str) -> None:
    precise = replace(setting.config(training, 1), views=2 if training == "views" else 0)
    bare, (accuracy, weights) = train_bare(setting, [precise]), thaw_weights(setting, precise)
    moved = {name: value for name, value in bare.state.items() if value.is_floating_point()}
    start = torch.load(setting.start(1), weights_only=True)
    assert "fc.weight" in moved and not torch.allclose(moved["fc.weight"], start["fc.weight"], atol=1e-4)
    for name, value in moved.items():
        assert torch.allclose(value, weights[name], rtol=1e-3, atol=1e-4), name
    assert bare.accuracy == pytest.approx(accuracy)


def thaw_weights(setting: Setting, config: RunConfig) -> tuple[float, dict[str, torch.Tensor]]:
    """(validation accuracy, state dict) of the best epoch of a real run."""
    with setting.fresh_workspace() as workspace:
        run = RunStore(workspace).enqueue(config, owner="tests")
        finished = [event for event in execute(run, workspace, device="cpu") if event["event"] == "finished"]
        return finished[0]["summary"]["val_accuracy"], load_file(workspace.run(run.id) / "best.safetensors")


def test_the_bare_computation_waits_for_the_device_whenever_it_looks_at_the_clock(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(bare, "time", SimpleNamespace(perf_counter=lambda: float(seen.append("clock") or len(seen))))
    monkeypatch.setattr(devices, "synchronise", lambda place: seen.append("device"))
    train_bare(setting, [setting.config("linear_probe", seed) for seed in (0, 1)])
    assert seen == ["device", "clock"] * 6


def test_bare_trains_several_at_once_as_it_trains_each(setting: Setting) -> None:
    configs = [setting.config(training, 0) for training in ("linear_probe", "last_stage")]
    alone, together = train_bare(setting, configs[1:]), train_bare(setting, configs)
    assert all(
        torch.allclose(alone.state[name].float(), value.float(), atol=1e-5) for name, value in together.state.items()
    )


def test_thaw_runs_a_row_on_a_fresh_workspace_and_again(setting: Setting) -> None:
    cold, again = train_thaw(setting, [setting.config("linear_probe", seed) for seed in (0, 1)])
    assert cold.accuracy == pytest.approx(again.accuracy)
    assert cold.seconds >= sum(cold.about["stages"].values()) - 0.01  # type: ignore[attr-defined]
    assert "opening" in cold.about["stages"]  # type: ignore[operator]
    assert not list(setting.workspace.runs.iterdir()) and not setting.workspace.database.exists(), (
        "the copy took it all"
    )
    assert not list(setting.folder.glob("workspace-*"))


def test_a_copy_of_the_workspace_shares_images_but_not_what_is_kept(setting: Setting) -> None:
    with setting.fresh_workspace() as workspace:
        image = setting.dataset.images[0]
        copy, original = (
            space.dataset(setting.dataset.id) / "images" / image.file for space in (workspace, setting.workspace)
        )
        assert os.path.samefile(copy, original)
        assert not workspace.pixels.exists() or not list(workspace.pixels.iterdir())


def test_a_setting_is_made_once(setting: Setting, tmp_path: Path) -> None:
    again = prepare(setting.folder.parent, setting.recipe)
    assert again.dataset.id == setting.dataset.id and again.weights == setting.weights
    assert {split: len(setting.dataset.images_of(split)) for split in ("train", "val", "test")} == {
        "train": 24,
        "val": 6,
        "test": 0,
    }


def test_every_training_has_one_phase_at_the_rate_of_its_strategy(setting: Setting) -> None:
    rates = {training: setting.phase(training, 0).lr for training in ONE}
    assert rates == {**dict.fromkeys(ONE, 1e-3), "full_finetune": 1e-4}
    assert {name.partition(".")[0] for name in setting.phase("last_two_stages", 0).parameters} == {
        "layer3",
        "layer4",
        "fc",
    }
