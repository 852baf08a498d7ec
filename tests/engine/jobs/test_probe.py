"""The probe from images to its curve: it peaks where a class was planted, knows its controls, and leaves nothing
behind."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine.config import to_json
from engine.errors import DatasetError
from engine.evaluation import separability as arithmetic
from engine.jobs import probe
from engine.models.chain import build_chain
from engine.runconfig import RunConfig
from engine.runs.session import Session
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from tests.engine.jobs.running import run_job
from tests.engine.small_runs import Lab
from tests.pictures import make_dataset


def planted() -> nn.Module:
    """A chain whose second block alone answers whether stripes run across or down; the third forgets it again."""
    model = nn.Sequential()
    same = nn.Conv2d(3, 3, 1)
    edges = nn.Sequential(nn.Conv2d(3, 4, (1, 2)), nn.ReLU())
    forget = nn.Conv2d(4, 4, 1)
    with torch.no_grad():
        same.weight.copy_(torch.eye(3)[:, :, None, None])
        edges[0].weight.zero_()
        edges[0].weight[0, :, 0, 0], edges[0].weight[0, :, 0, 1] = 1, -1
        forget.weight.zero_()
    for name, part in (("same", same), ("edges", edges), ("forget", forget)):
        model.add_module(name, part)
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("fc", nn.Linear(4, 2))
    return model


def stripes(count: int) -> tuple[torch.Tensor, np.ndarray]:
    labels = np.arange(count) % 2
    images = 0.1 * torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images[labels == 0, :, :, ::2] += 1
    images[labels == 1, :, ::2, :] += 1
    return images, labels


def test_the_curve_peaks_at_the_block_that_carries_the_class() -> None:
    chain = build_chain(planted(), "planted", 16)
    images, labels = stripes(40)
    scores = [arithmetic.ridge_score(features, labels) for features in probe.pooled(chain, images)]
    names = [block.name for block in chain.blocks[:-1]]
    found = arithmetic.suggest(scores)
    assert names[found.block].startswith("edges") and scores[found.block].accuracy == 1.0
    assert all(scores[place].accuracy < 0.8 for place, name in enumerate(names) if name in ("same", "forget"))
    assert not {names[place] for place in found.alike} & {"same", "forget"}


@pytest.mark.parametrize("shape", [(2, 5, 7, 7), (2, 7, 7, 5), (2, 9, 5), (2, 5)])
def test_positions_are_averaged_in_every_layout(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape)
    wide = shape.index(5)
    x += torch.arange(5.0).view([5 if place == wide else 1 for place in range(len(shape))])
    assert probe.mean_of_positions(x).tolist() == [[0, 1, 2, 3, 4]] * 2


@pytest.fixture
def config(workspace: Workspace, tmp_path: Path) -> RunConfig:
    lab = Lab(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "pictures"))
    return lab.config(image_size=64, device="cpu", epochs=9, strategy="full_finetune", precision="auto")


def result_of(workspace: Workspace, config: RunConfig) -> dict:
    return run_job(workspace, "probe", config=to_json(config))


def test_the_job_answers_for_every_block_and_leaves_nothing(workspace: Workspace, config: RunConfig) -> None:
    found = result_of(workspace, config)
    assert len(found["blocks"]) == 9 and found["blocks"][-1]["block"] == "layer4.1"  # all but the head
    assert all(row["ridge"]["low"] <= row["ridge"]["accuracy"] <= row["ridge"]["high"] for row in found["blocks"])
    assert found["controls"]["colours"]["accuracy"] > 0.9  # these classes are colours
    assert found["controls"]["majority"]["accuracy"] < 0.5 and found["random"] == []
    place = found["suggestion"]["block"]
    assert found["suggestion"]["name"] == found["blocks"][place]["block"] and found["suggestion"]["last_n"] >= 1
    assert RunStore(workspace).list() == [*workspace.incoming.iterdir(), *workspace.runs.iterdir()] == []
    assert result_of(workspace, config) == found  # nothing is left to chance


def test_what_the_probe_does_not_depend_on_makes_no_new_question(config: RunConfig) -> None:
    other = dataclasses.replace(config, strategy="linear_probe", lr=0.5, views=3, batch_size=7)
    assert probe.asked(other) == probe.asked(config)
    assert probe.asked(dataclasses.replace(config, image_size=96)) != probe.asked(config)


def test_too_few_images_are_one_sentence(
    workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "training_images", property(lambda session: session.dataset.images_of("train")[:3]))
    with pytest.raises(DatasetError, match="colours has too few training images to probe"):
        result_of(workspace, config)
