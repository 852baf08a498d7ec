"""Configurations that contradict themselves are refused before anything is queued, with the remedy."""

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


@pytest.mark.parametrize("weights", ["run:run-00000000", "file:weights-00000000"])
def test_a_run_and_a_file_can_be_continued(weights: str) -> None:
    assert validate(continuing(weights)) == continuing(weights)
