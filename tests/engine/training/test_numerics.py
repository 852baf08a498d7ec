"""The number format is measured once a machine and then remembered; wishes are obeyed."""

import json

import pytest
import torch

from engine.training import numerics as subject
from engine.workspace import Workspace
from tests.engine.training.toy import SIDE, chain

CPU = torch.device("cpu")


def test_auto_takes_what_was_faster_and_remembers_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{"fp32": 2.0, "bf16": 1.5, "bf16 channels-last": 1.0}]
    monkeypatch.setattr(subject, "time_formats", lambda *_: answers.pop())
    made = chain()
    first = subject.choose(made, "auto", CPU, side=SIDE, workspace=workspace)
    assert first.dtype is torch.bfloat16 and first.memory_format is torch.channels_last
    assert subject.choose(made, "auto", CPU, side=SIDE, workspace=workspace) == first, "it must not be measured again"
    assert list(json.loads((workspace.catalog / "numerics.json").read_text()).values()) == ["bf16 channels-last"]


def test_a_little_faster_is_not_worth_the_coarser_numbers(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "time_formats", lambda *_: {"fp32": 1.1, "bf16": 1.0, "bf16 channels-last": 1.05})
    assert subject.choose(chain(), "auto", CPU, side=SIDE, workspace=workspace).name == "fp32"


def test_a_wish_is_obeyed_without_measuring(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "time_formats", lambda *_: pytest.fail("measured"))
    assert subject.choose(chain(), "bf16", CPU, side=SIDE, workspace=workspace).dtype is torch.bfloat16


def test_measuring_leaves_the_model_as_it_was() -> None:
    made = chain()
    before = {name: tensor.clone() for name, tensor in made.model.state_dict().items()}
    seconds = subject.time_formats(made, CPU, SIDE)
    assert set(seconds) == {"fp32", "bf16", "bf16 channels-last"} and min(seconds.values()) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in made.model.state_dict().items())
    assert made.model.conv1.weight.is_contiguous() and not made.model.training  # type: ignore[union-attr]
