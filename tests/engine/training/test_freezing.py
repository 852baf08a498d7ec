"""Plans are data: what each strategy names, and what the optimizer is told."""

import pytest

from engine.config import option_named
from engine.errors import ConfigError
from engine.models.outline import BlockOutline, Outline, ParameterOutline
from engine.runconfig import RunConfig
from engine.training.freezing import plan_for, starting_weights
from engine.training.patterns import matches, write_phases
from engine.training.plan import FreezePlan, Phase, groups, phase_at, prefix_length, trainable_blocks, trainable_size
from engine.training.schedule import factor
from engine.training.strategies import STRATEGIES


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
        ("last_stage", {}, [False, True, True, True, True]),
        ("full_finetune", {}, [True] * 5),
        ("from_scratch", {}, [True] * 5),
        ("from_run", {"weights": "run:run-00000000"}, [True] * 5),
        ("bias_norm", {}, [False, True, False, True, True]),
    ],
)
def test_strategy_names_the_blocks_that_train(strategy: str, options: dict[str, object], expected: list[bool]) -> None:
    plan = plan_for(OUTLINE, config(strategy=strategy, **options))
    assert list(trainable_blocks(OUTLINE, plan.phases[0])) == expected
    assert prefix_length(OUTLINE, plan.phases[0]) == expected.index(True)


def first_trainable(plan: FreezePlan) -> list[int]:
    return [prefix_length(OUTLINE, phase) for phase in plan.phases]


def test_gradual_unfreezing_moves_down_a_stage_at_a_time_at_falling_rates() -> None:
    plan = plan_for(OUTLINE, config(strategy="gradual_unfreeze", epochs=7))
    assert first_trainable(plan) == [4, 1, 0] and [phase.epochs for phase in plan.phases] == [2, 2, 3]
    assert [phase.lr for phase in plan.phases] == pytest.approx([1e-3, 10**-3.5, 1e-4])


def test_gradual_unfreezing_reaches_everything_however_few_epochs() -> None:
    for epochs in range(1, 9):
        plan = plan_for(OUTLINE, config(strategy="gradual_unfreeze", epochs=epochs))
        assert (
            plan.epochs == epochs
            and first_trainable(plan)[-1] == 0
            and sorted(first_trainable(plan), reverse=True) == first_trainable(plan)
        )


def test_two_phase_strategies_share_the_epochs() -> None:
    plan = plan_for(OUTLINE, config(strategy="probe_then_finetune", epochs=5))
    assert first_trainable(plan) == [4, 0] and [phase.epochs for phase in plan.phases] == [2, 3]
    assert plan.phases[1].lr == pytest.approx(plan.phases[0].lr / 10)
    plan = plan_for(OUTLINE, config(strategy="two_phase", epochs=5, first_epochs=4, last_n=1))
    assert first_trainable(plan) == [4, 2] and [phase.epochs for phase in plan.phases] == [4, 1]
    with pytest.raises(ConfigError, match="both of its phases"):
        plan_for(OUTLINE, config(strategy="two_phase", epochs=1))
    with pytest.raises(ConfigError, match="both of its phases"):
        plan_for(OUTLINE, config(strategy="probe_then_finetune", epochs=3, first_epochs=3))


def test_phases_of_ones_own_take_the_place_of_the_strategys() -> None:
    text = "head | 2 | 1e-3; layer1.1, head | 3 | 1e-4 | 0.5"
    plan = plan_for(OUTLINE, config(strategy="linear_probe", phases=text))
    assert first_trainable(plan) == [4, 2] and [(p.epochs, p.lr, p.lr_decay) for p in plan.phases] == [
        (2, 1e-3, 1.0),
        (3, 1e-4, 0.5),
    ]
    assert write_phases([("head", 2, 1e-3, 1.0), ("layer1.1, head", 3, 1e-4, 0.5)]).startswith(
        "head | 2 | 0.001 | 1; layer1.1, head | 3"
    )
    for wrong in ("head", "head | many", "head | 0", "head | 1 | 99", "head | 1 | 0.1 | 2", "head | 1 | 2 | 3 | 4"):
        with pytest.raises(ConfigError, match="Phase 1"):
            plan_for(OUTLINE, config(phases=wrong))
    with pytest.raises(ConfigError, match="layer9"):
        plan_for(OUTLINE, config(phases="layer9 | 1"))


def test_statistics_only_spares_the_scale_and_shift_of_norms() -> None:
    plan = plan_for(OUTLINE, config(strategy="full_finetune", batch_norm="statistics"))
    assert not [name for name in plan.phases[0].parameters if ".bn." in name or name == "norm.weight"]


def test_weights_follow_the_strategies_that_have_a_say() -> None:
    assert starting_weights(config(strategy="from_scratch", weights="default")) == "none"
    assert starting_weights(config(strategy="from_run", weights="file:weights-00000000")) == "file:weights-00000000"
    with pytest.raises(ConfigError, match="choose an earlier run"):
        plan_for(OUTLINE, config(strategy="from_run"))


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
    for name, strategy in STRATEGIES.items():
        assert name == strategy.name and strategy.title
        assert strategy.summary.endswith(".") and strategy.details.endswith("."), name
        assert not strategy.asks or option_named(strategy.asks).section == "strategy"


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
    plan = FreezePlan(phases=(head, more))
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
