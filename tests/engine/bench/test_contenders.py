"""The contenders: they start alike, they learn, and the bare computation is the same mathematics as Thaw's."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from engine import devices
from engine.bench.contenders import bare_loop, fastai_loop
from engine.bench.contenders.bare_loop import train_bare
from engine.bench.contenders.classic import classic_model, loader, train_classic, transform
from engine.bench.contenders.thaw import train_thaw
from engine.bench.experiment import Experiment, prepare
from engine.bench.workloads import TRAININGS
from engine.data.dataset_records import SPLITS
from engine.data.decoder import decode
from engine.data.preprocessing import eval_crop
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run_store import RunStore
from engine.training.batches import moments, normalise


def noise() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_everybody_starts_from_equal_weights(experiment: Experiment) -> None:
    images, chains = noise(), [experiment.chain(seed) for seed in (3, 4)]
    theirs = [classic_model(experiment.assignment("linear_probe", seed)).eval() for seed in (3, 4)]
    with torch.no_grad():
        assert torch.equal(theirs[0](images), chains[0].model(images))
        assert not torch.equal(theirs[0](images), theirs[1](images)), "a seed has its own head"
    first, second = (chain.model.state_dict() for chain in chains)
    assert all(torch.equal(first[name], second[name]) for name in first if "fc" not in name)


@pytest.mark.filterwarnings("default")  # other people's
@pytest.mark.skipif(not find_spec("fastai"), reason="fastai is optional")
def test_fastai_starts_from_the_same_weights_and_trains_what_thaw_trains(experiment: Experiment) -> None:
    images = noise()
    given = experiment.assignment("last_block", 3)
    learner = fastai_loop.make_learner(given)
    with torch.no_grad():
        assert torch.allclose(learner.model.eval()(images), experiment.chain(3).model(images), atol=1e-5)
    norms = {id(p) for m in learner.model.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters()}
    trained = {id(p) for p in learner.model.parameters() if p.requires_grad} - norms
    ours = dict(experiment.chain(3).model.named_parameters())
    assert len(trained) == sum(ours[name].ndim > 1 or name == "fc.bias" for name in given.trained)
    assert fastai_loop.train_fastai(experiment.assignment("linear_probe", 0)).accuracy > 0.3


def test_the_classic_loop_sees_the_pixels_that_thaw_sees(experiment: Experiment) -> None:
    train, val = (loader(experiment.assignment("linear_probe", 0), split) for split in ("train", "val"))
    images = experiment.dataset.images_of("val")
    assert [label for _, label in val.dataset.samples] == [image.label for image in images]  # type: ignore[attr-defined]
    assert len(train.dataset) == 24  # type: ignore[arg-type]
    decoded, preprocessing = decode(experiment.dataset.image_path(images[0]).read_bytes()), experiment.preprocessing
    raw = torch.from_numpy(eval_crop(decoded, preprocessing)).permute(2, 0, 1)
    (ours,) = normalise(raw[None], *moments(preprocessing, torch.device("cpu")))
    assert torch.allclose(transform(preprocessing)(decoded), ours, atol=1e-6)


def test_the_classic_loop_learns_and_leaves_frozen_weights_alone(experiment: Experiment) -> None:
    longer = replace(experiment, recipe=replace(experiment.recipe, epochs=8))
    result = train_classic(longer.assignment("linear_probe", 0))
    start = torch.load(experiment.start(0), weights_only=True)
    assert result.accuracy > 0.6  # three colours
    assert torch.equal(result.state["layer4.1.conv2.weight"], start["layer4.1.conv2.weight"])
    assert not torch.equal(result.state["fc.weight"], start["fc.weight"])
    assert not torch.equal(result.state["bn1.running_mean"], start["bn1.running_mean"]), "as in the notebooks"


@pytest.mark.parametrize("training", ["linear_probe", "views"])
def test_the_bare_computation_ends_at_the_weights_of_thaw(experiment: Experiment, training: str) -> None:
    precise = replace(experiment.config(training, 1), views=2 if training == "views" else 0)
    bare, (accuracy, weights) = train_bare(experiment, [precise]), thaw_weights(experiment, precise)
    moved = {name: value for name, value in bare.state.items() if value.is_floating_point()}
    start = torch.load(experiment.start(1), weights_only=True)
    assert "fc.weight" in moved and not torch.allclose(moved["fc.weight"], start["fc.weight"], atol=1e-4)
    for name, value in moved.items():
        assert torch.allclose(value, weights[name], rtol=1e-3, atol=1e-4), name
    assert bare.accuracy == pytest.approx(accuracy)


def thaw_weights(experiment: Experiment, config: RunConfig) -> tuple[float, dict[str, torch.Tensor]]:
    """(validation accuracy, state dict) of the best epoch of a real run."""
    with experiment.fresh_workspace() as workspace:
        run = RunStore(workspace).enqueue(config, owner="tests")
        *_, finished = execute(run, workspace, device="cpu")
        return finished.summary.val_accuracy, load_file(workspace.run(run.id) / "best.safetensors")


def test_the_bare_computation_waits_for_the_device_whenever_it_looks_at_the_clock(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        bare_loop, "time", SimpleNamespace(perf_counter=lambda: float(seen.append("clock") or len(seen)))
    )
    monkeypatch.setattr(devices, "synchronise", lambda place: seen.append("device"))
    train_bare(experiment, [experiment.config("linear_probe", seed) for seed in (0, 1)])
    assert seen == ["device", "clock"] * 6


def test_bare_trains_several_at_once_as_it_trains_each(experiment: Experiment) -> None:
    configs = [experiment.config(training, 0) for training in ("linear_probe", "last_stage")]
    alone, together = train_bare(experiment, configs[1:]), train_bare(experiment, configs)
    for name, value in together.state.items():
        assert torch.allclose(alone.state[name].float(), value.float(), atol=1e-5), name


def test_thaw_runs_a_row_on_a_fresh_workspace_and_again(experiment: Experiment) -> None:
    cold, again = train_thaw(experiment, [experiment.config("linear_probe", seed) for seed in (0, 1)])
    assert cold.accuracy == pytest.approx(again.accuracy)
    assert cold.seconds >= sum(cold.stages.values()) - 0.01 and "opening" in cold.stages
    assert not list(experiment.workspace.runs.iterdir()) and not experiment.workspace.database.exists()
    assert not list(experiment.folder.glob("workspace-*"))


def test_a_copy_of_the_workspace_shares_images_but_not_what_is_kept(experiment: Experiment) -> None:
    dataset = experiment.dataset
    with experiment.fresh_workspace() as workspace:
        copy = workspace.dataset(dataset.id) / "images" / dataset.images[0].file
        assert copy.samefile(dataset.image_path(dataset.images[0]))
        assert not workspace.pixels.exists() or not list(workspace.pixels.iterdir())


def test_a_setting_is_made_once(experiment: Experiment, tmp_path: Path) -> None:
    again = prepare(experiment.folder.parent, experiment.recipe)
    assert again.dataset.id == experiment.dataset.id and again.weights == experiment.weights
    assert [len(experiment.dataset.images_of(split)) for split in SPLITS] == [24, 6, 0]


def test_every_training_has_one_phase_and_the_rate_of_the_notebooks(experiment: Experiment) -> None:
    rates = {training: experiment.assignment(training, 0).rate for training in TRAININGS}
    assert rates == {**dict.fromkeys(TRAININGS, 1e-3), "full_finetune": 1e-4}
    blocks = {name.partition(".")[0] for name in experiment.phase("last_two_stages", 0).parameters}
    assert blocks == {"layer3", "layer4", "fc"}
