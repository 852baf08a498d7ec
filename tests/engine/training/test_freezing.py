"""Plans are data: what each strategy names, and what the optimizer is told."""

import pytest

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.models.outline import BlockOutline, Outline, ParameterOutline
from engine.training.freezing import (
    STRATEGIES,
    FreezePlan,
    Phase,
    groups,
    matches,
    phase_at,
    plan_for,
    prefix_length,
    trainable_blocks,
    trainable_size,
)
from engine.training.schedule import factor


def block(name: str, stage: str, *parameters: tuple[str, int, str]) -> BlockOutline:
    made = tuple(ParameterOutline(name=f"{name}.{leaf}", size=size, kind=kind) for leaf, size, kind in parameters)
    return BlockOutline(name=name, stage=stage, parameters=made)


OUTLINE = Outline(
    backbone="toy",
    classes=2,
    input_size=32,
    blocks=(
        block("conv1", "stem", ("weight", 100, "weight")),
        block("layer1.0", "layer1", ("conv.weight", 200, "weight"), ("bn.weight", 8, "norm"), ("bn.bias", 8, "norm")),
        block("layer1.1", "layer1", ("conv.weight", 300, "weight")),
        block("norm", "norm", ("weight", 8, "norm")),
        block("fc", "head", ("weight", 16, "weight"), ("bias", 2, "bias")),
    ),
)


def config(**options: object) -> RunConfig:
    return RunConfig(dataset="dataset-00000000", backbone="toy", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strategy", "options", "expected"),
    [
        ("linear_probe", {}, [False, False, False, False, True]),
        ("last_block", {}, [False, False, True, True, True]),  # the norm between comes along uncounted
        ("last_n", {"last_n": 3}, [False, True, True, True, True]),
        ("last_n", {"last_n": 99}, [True] * 5),
        ("named", {"patterns": "conv1"}, [True, False, False, False, True]),
        ("named", {"patterns": "layer1"}, [False, True, True, False, True]),
        ("full_finetune", {}, [True] * 5),
    ],
)
def test_strategy_names_the_blocks_that_train(strategy: str, options: dict[str, object], expected: list[bool]) -> None:
    plan = plan_for(OUTLINE, config(strategy=strategy, **options))
    assert list(trainable_blocks(OUTLINE, plan.phases[0])) == expected
    assert prefix_length(OUTLINE, plan.phases[0]) == expected.index(True)


def test_parameter_patterns_reach_inside_a_block() -> None:
    plan = plan_for(OUTLINE, config(strategy="named", patterns="*.bn.*"))
    assert plan.phases[0].parameters == ("layer1.0.bn.weight", "layer1.0.bn.bias", "fc.weight", "fc.bias")
    assert trainable_size(OUTLINE, plan.phases[0]) == 8 + 8 + 18


def test_a_pattern_that_matches_nothing_is_an_error_and_names_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'layer9'.*layer1.1"):
        plan_for(OUTLINE, config(strategy="named", patterns="conv1, layer9"))
    assert matches(OUTLINE, "layer9") == {"layer9": ()}
    with pytest.raises(ConfigError):
        plan_for(OUTLINE, config(strategy="named", patterns=" , "))


def test_unknown_strategy_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="linear_probe"):
        plan_for(OUTLINE, config(strategy="freeze_all"))


def test_every_strategy_explains_itself() -> None:
    assert all(strategy.__doc__ and strategy.__doc__.count(".") >= 2 for strategy in STRATEGIES.values())


def test_groups_have_one_rate_a_block_and_spare_norms_from_decay() -> None:
    plan = plan_for(OUTLINE, config(strategy="full_finetune", lr=1.0, lr_decay=0.5))
    made = {group.name: group for group in groups(OUTLINE, plan)}
    assert made["fc"].rates == (1.0,) and made["layer1.1"].rates == (0.25,) and made["conv1"].rates == (0.0625,)
    assert made["layer1.0 (bias, norm)"].parameters == ("layer1.0.bn.weight", "layer1.0.bn.bias")
    assert not made["layer1.0 (bias, norm)"].decays and made["layer1.0"].decays
    assert sorted(name for group in made.values() for name in group.parameters) == sorted(plan.phases[0].parameters)


def test_groups_of_many_phases_exist_from_the_start_with_rate_zero_while_frozen() -> None:
    head = Phase(parameters=("fc.weight", "fc.bias"), epochs=1, lr=1.0)
    more = Phase(parameters=("layer1.1.conv.weight", "fc.weight", "fc.bias"), epochs=2, lr=0.1)
    plan = FreezePlan(strategy="two", phases=(head, more))
    assert {group.name: group.rates for group in groups(OUTLINE, plan)} == {
        "layer1.1": (0.0, 0.1),
        "fc": (1.0, 0.1),
        "fc (bias, norm)": (1.0, 0.1),
    }
    assert [phase_at(plan, epoch) for epoch in range(3)] == [(0, 0), (1, 1), (1, 1)]


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_schedule_warms_up_and_never_passes_its_peak(schedule: str) -> None:
    rates = [factor(schedule, step=step, steps=100, warmup=0.1) for step in range(100)]
    assert 0 < rates[0] < rates[5] < rates[9] < max(rates) == pytest.approx(1.0, abs=1e-3)
    assert all(0 < rate <= 1 for rate in rates)
    assert (rates[99] < 0.02) is (schedule != "constant")
