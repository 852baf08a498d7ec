"""The command lines of a comparison, read back by the command line itself: the same runs come out."""

import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest

from engine.cli import compare
from engine.comparisons.command_lines import command_lines
from engine.comparisons.comparison import Arm, Comparison, arm, expand
from engine.config import command_line
from engine.runconfig import RunConfig


def comparison(*arms: Arm, **shared: object) -> Comparison:
    return Comparison(
        name="고양이's $(dogs)",
        dataset="dataset-0123456789",
        backbones=(("resnet18", "none"), ("vgg11", "none")),
        strategies=arms,
        shared=RunConfig(dataset="", backbone="", **shared),  # type: ignore[arg-type]
    )


def read_back(line: str, known: Comparison, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """The comparison that the command line would make."""
    options = compare.compare.make_context("compare", shlex.split(line)[4:]).params
    monkeypatch.setattr(compare, "check_backbone", lambda *_: None)
    monkeypatch.setattr(compare, "weights_of", lambda _session, words, _backbone: words)
    dataset = SimpleNamespace(id=known.dataset, fingerprint="")
    monkeypatch.setattr(compare.datasets, "open_dataset", lambda *_: dataset)
    return compare.described(SimpleNamespace(workspace=None), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "known",
    [
        comparison(arm("linear_probe_steps"), arm("full_finetune")),
        comparison(*(arm("last_n", seeds=4, settings={"last_n": n, "lr": 0.01}) for n in (3, 4)), epochs=7, views=3),
        replace(comparison(arm("named", seeds=1, settings={"patterns": "layer4* *.bias"})), margin=0.5),
    ],
)
def test_one_command_makes_the_same_runs(known: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = command_lines(known)
    again = read_back(line, known, monkeypatch)
    assert (again.name, again.margin) == (known.name, known.margin)
    assert expand(again) == expand(known)


@pytest.mark.parametrize(
    "arms",
    [
        (arm("linear_probe_steps", seeds=2), arm("full_finetune", seeds=3)),
        (replace(arm("full_finetune"), seeds=(7, 8)),),
        (arm("named", seeds=2, settings={"patterns": "layer4*, *.bias"}),),
    ],
)
def test_what_one_command_cannot_say_is_said_run_by_run(arms: tuple[Arm, ...]) -> None:
    known = comparison(*arms)
    assert command_lines(known) == tuple(command_line(config) for config in expand(known))
