"""Configurations that contradict themselves are refused before anything is queued, with the remedy."""

from contextlib import nullcontext

import pytest

from engine.errors import ConfigError
from engine.runconfig import RunConfig
from engine.training.freezing import validate


def continuing(weights: str) -> RunConfig:
    return RunConfig(dataset="d", backbone="resnet18", strategy="from_run", weights=weights)


@pytest.mark.parametrize("weights", ["default", "none", "IMAGENET1K_V1"])
def test_continuing_a_run_needs_one_to_continue(weights: str) -> None:
    with pytest.raises(ConfigError, match="choose an earlier run or a weights file"):
        validate(continuing(weights))


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, True),
        ({"batch_size": 2}, False),
        ({"image_size": 48}, False),
        ({"image_size": 0}, False),
        ({"batch_norm": "running"}, False),
        ({"strategy": "linear_probe"}, False),
        ({"strategy": "last_n", "last_n": 1}, False),
        ({"backbone": "vgg11"}, False),
        ({"backbone": "vgg11_bn"}, True),
    ],
)
def test_one_small_image_a_step_is_refused_where_it_would_be_normalised(
    options: dict[str, str | int], refused: bool
) -> None:
    small = {"backbone": "resnet18", "strategy": "full_finetune", "batch_size": 1, "image_size": 32, **options}
    with pytest.raises(ConfigError, match=r"batch_size.*batch_norm=running") if refused else nullcontext():
        validate(RunConfig(dataset="d", **small))


@pytest.mark.parametrize("weights", ["run:run-00000000", "file:weights-00000000"])
def test_a_run_and_a_file_can_be_continued(weights: str) -> None:
    assert validate(continuing(weights)) == continuing(weights)
