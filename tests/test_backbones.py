"""docs/backbones.md lists what is installed, as the checks left it; and a failing check is a failing row, not a lost
one."""

import re

import pytest
import torchvision

from engine.models import registry
from tests import backbones
from tests.engine.models import checks

ROWS = [
    [cell.strip() for cell in line.strip("|\n ").split(" | ")]
    for line in backbones.PAGE.read_text().splitlines()
    if line.startswith("| `")
]


def test_the_page_lists_every_classifier_and_all_passed() -> None:
    assert [row[0].strip("`") for row in ROWS] == registry.names(), f"run: {backbones.COMMAND}"
    assert [row[0] for row in ROWS if row[-1] != backbones.PASSED] == []
    text = backbones.PAGE.read_text()
    assert f"torchvision {torchvision.__version__} " in text and f"\n{len(ROWS)} of {len(ROWS)} passed" in text
    assert all(check.__name__.replace("_", " ") in text for check in checks.CHECKS)


def test_the_page_names_the_weights_and_licences_of_the_registry() -> None:
    for row in ROWS:
        about = registry.describe(row[0].strip("`"))
        assert row[1:2] + row[3:5] == [about.family, f"{about.parameters:,}", str(about.input_size)]
        assert re.findall(r"\[(\w+_\w+)\]", row[5]) == [entry.name for entry in about.weights]
        assert re.findall(r"\[licence\]\(([^)]+)\)", row[5]) == [
            entry.license for entry in about.weights if entry.license
        ]


def test_a_failed_check_and_a_dead_process_are_results(monkeypatch: pytest.MonkeyPatch) -> None:
    def the_sky_is_green(chain: object) -> None:
        raise AssertionError("blue | bluer\n")

    monkeypatch.setattr(backbones, "CHECKS", (*checks.CHECKS[:1], the_sky_is_green, *checks.CHECKS[1:2]))
    result = backbones.check("squeezenet1_1")
    assert result.failed == "the sky is green: AssertionError blue / bluer " and result.blocks == 10
    page = backbones.page([result])
    assert "0 of 1 passed" in page and page.splitlines()[-1].endswith(
        "| the sky is green: AssertionError blue / bluer  |"
    )


def test_a_check_that_dies_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "check", lambda name: backbones.os._exit(9))
    assert backbones.check_apart("resnet18").failed == "the process ended with exit code 9"
