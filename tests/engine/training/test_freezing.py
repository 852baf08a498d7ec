"""Plans are data: what each strategy names, and what the optimizer is told."""

import pytest

from engine.config import option_named
from engine.errors import ConfigError
from engine.events import Started, StartedPhase
from engine.models.outline import Outline
from engine.training.freezing import as_begun, plan_for, starting_weights
from engine.training.patterns import matches, write_phases
from engine.training.plan import (
    FreezePlan,
    Phase,
    groups,
    phase_at,
    prefix_length,
    scaled,
    trainable_blocks,
    trainable_size,
)
from engine.training.schedule import factor
from engine.training.strategies import STRATEGIES
from tests.engine.training.toy import block, config, outline

OUTLINE = outline(
    block("conv1", "stem", ("weight", 100, "weight")),
    block("layer1.0", "layer1", ("conv.weight", 200, "weight"), ("bn.weight", 8, "norm"), ("bn.bias", 8, "norm")),
    block("layer1.1", "layer1", ("conv.weight", 300, "weight")),
    block("norm", "norm", ("weight", 8, "norm")),
    block("fc", "head", ("weight", 16, "weight"), ("bias", 2, "bias")),
)


def planned(**options: object) -> FreezePlan:
    return plan_for(OUTLINE, config(**{"epochs": 5, **options}))


@pytest.mark.parametrize(
    ("strategy", "options", "trained"),
    [
        ("linear_probe", {}, [4]),
        ("last_block", {}, [2, 3, 4]),  # the norm between comes along uncounted
        ("last_n", {"last_n": 3}, [1, 2, 3, 4]),
        ("last_n", {"last_n": 99}, [0, 1, 2, 3, 4]),
        ("named", {"patterns": "conv1"}, [0, 4]),
        ("named", {"patterns": "layer1"}, [1, 2, 4]),
        ("last_stage", {}, [1, 2, 3, 4]),
        ("full_finetune", {}, [0, 1, 2, 3, 4]),
        ("from_scratch", {}, [0, 1, 2, 3, 4]),
        ("from_run", {"weights": "run:run-00000000"}, [0, 1, 2, 3, 4]),
        ("bias_norm", {}, [1, 3, 4]),
    ],
)
def test_strategy_names_the_blocks_that_train(strategy: str, options: dict[str, object], trained: list[int]) -> None:
    phase = planned(strategy=strategy, **options).phases[0]
    assert [index for index, trains in enumerate(trainable_blocks(OUTLINE, phase)) if trains] == trained
    assert prefix_length(OUTLINE, phase) == trained[0]


def first_trainable(plan: FreezePlan) -> list[int]:
    return [prefix_length(OUTLINE, phase) for phase in plan.phases]


def test_gradual_unfreezing_moves_down_a_stage_at_a_time_at_falling_rates() -> None:
    plan = planned(strategy="gradual_unfreeze", epochs=7)
    assert first_trainable(plan) == [4, 1, 0] and [phase.epochs for phase in plan.phases] == [2, 2, 3]
    assert [phase.lr for phase in plan.phases] == pytest.approx([1e-3, 10**-3.5, 1e-4])


@pytest.mark.parametrize("epochs", range(1, 9))
def test_gradual_unfreezing_reaches_everything_however_few_epochs(epochs: int) -> None:
    plan = planned(strategy="gradual_unfreeze", epochs=epochs)
    first = first_trainable(plan)
    assert plan.epochs == epochs and first[-1] == 0 and sorted(first, reverse=True) == first


def test_two_phase_strategies_share_the_epochs() -> None:
    plan = planned(strategy="probe_then_finetune", epochs=5, mix="mixup")
    assert first_trainable(plan) == [4, 0] and [phase.epochs for phase in plan.phases] == [2, 3]
    assert plan.phases[1].lr == pytest.approx(plan.phases[0].lr / 10)
    plan = planned(strategy="two_phase", epochs=5, first_epochs=4, last_n=1)
    assert first_trainable(plan) == [4, 2] and [phase.epochs for phase in plan.phases] == [4, 1]
    for wrong in (
        {"strategy": "two_phase", "epochs": 1},
        {"strategy": "probe_then_finetune", "epochs": 3, "first_epochs": 3},
    ):
        with pytest.raises(ConfigError, match="both of its phases"):
            planned(**wrong)


def test_a_head_that_is_solved_first_takes_one_epoch_and_leaves_the_others_to_the_body() -> None:
    plan, mixed = (planned(strategy="probe_then_finetune", epochs=5, mix=mix) for mix in ("none", "mixup"))
    assert [(phase.epochs, phase.how) for phase in plan.phases] == [(1, "solved"), (4, "steps")]
    assert groups(OUTLINE, plan) == groups(OUTLINE, mixed) and not plan.solved, "at the same rates"
    stepped = plan_for(OUTLINE, config(strategy="probe_then_finetune", epochs=5), stepped=True)
    assert stepped == mixed


def test_phases_of_ones_own_take_the_place_of_the_strategys() -> None:
    text = "head | 2 | 1e-3; layer1.1, head | 3 | 1e-4 | 0.5"
    plan = planned(strategy="linear_probe", phases=text)
    assert first_trainable(plan) == [4, 2]
    assert [(p.epochs, p.lr, p.body_share, p.lr_decay) for p in plan.phases] == [
        (2, 1e-3, 1.0, 1.0),
        (3, 1e-4, 1.0, 0.5),
    ]
    written = write_phases([("head", 2, 1e-3, 1.0, 1e-3), ("layer1.1, head", 3, 1e-3, 0.5, 1e-4)])
    assert written == "head | 2 | 0.001 | 1; layer1.1, head | 3 | 0.001 | 0.5 | 0.0001"
    assert [(p.lr, p.body_share) for p in planned(phases=written).phases] == [(1e-3, 1.0), (1e-3, 0.1)]
    for wrong in ("head", "head | many", "head | 0", "head | 1 | 99", "head | 1 | 0.1 | 2", "head | 1 | 2 | 1 | 99"):
        with pytest.raises(ConfigError, match="Phase 1"):
            planned(phases=wrong)


def test_statistics_only_spares_the_scale_and_shift_of_norms() -> None:
    plan = planned(strategy="full_finetune", batch_norm="statistics")
    assert not [name for name in plan.phases[0].parameters if ".bn." in name or name == "norm.weight"]


def test_weights_follow_the_strategies_that_have_a_say() -> None:
    assert starting_weights(config(strategy="from_scratch", weights="default")) == "none"
    assert starting_weights(config(strategy="from_run", weights="file:weights-00000000")) == "file:weights-00000000"


def test_parameter_patterns_reach_inside_a_block() -> None:
    plan = planned(strategy="named", patterns="*.bn.*")
    assert plan.phases[0].parameters == ("layer1.0.bn.weight", "layer1.0.bn.bias", "fc.weight", "fc.bias")
    assert trainable_size(OUTLINE, plan.phases[0]) == 8 + 8 + 18


def test_a_pattern_with_a_star_names_blocks_and_what_holds_them_but_a_stage_only_in_whole() -> None:
    named = [(f"features.{number}", "features.1..3") for number in (1, 2, 3)]
    made = outline(
        *(block(name, stage, ("w", 4, "weight")) for name, stage in named), block("fc", "head", ("w", 1, "weight"))
    )
    for pattern, expected in (
        ("features.1*", {"features.1"}),
        ("features.1..3", {name for name, _ in named}),
        ("feat*s", {name for name, _ in named}),
    ):
        assert {name.rpartition(".")[0] for name in matches(made, pattern)[pattern]} == expected


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strategy": "named", "patterns": "conv1, layer9"}, r"'layer9'.*layer1.1"),
        ({"strategy": "named", "patterns": " , "}, "The list of names"),
        ({"strategy": "from_run"}, "choose an earlier run"),
        ({"strategy": "freeze_all"}, "linear_probe"),
        ({"phases": "layer9 | 1"}, "layer9"),
    ],
)
def test_what_makes_no_plan_is_an_error_that_names_what_there_is(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        planned(**options)


def test_a_pattern_may_match_nothing_while_it_is_typed() -> None:
    assert matches(OUTLINE, "layer9") == {"layer9": ()}


def test_every_strategy_explains_itself() -> None:
    for name, strategy in STRATEGIES.items():
        assert name == strategy.name and strategy.title
        assert strategy.summary.endswith(".") and strategy.details.endswith("."), name
        assert not strategy.asks or option_named(strategy.asks).section == "strategy"


def test_groups_have_one_rate_a_block_and_spare_norms_from_decay() -> None:
    plan = planned(strategy="full_finetune", lr=1.0, lr_decay=0.5)
    made = {group.name: group for group in groups(OUTLINE, plan)}
    assert [made[name].rates for name in ("fc", "layer1.1", "conv1")] == [
        pytest.approx((rate,)) for rate in (1.0, 0.1 * 0.5**2, 0.1 * 0.5**4)
    ]
    assert made["layer1.0 (bias, norm)"].parameters == ("layer1.0.bn.weight", "layer1.0.bn.bias")
    assert not made["layer1.0 (bias, norm)"].decays and made["layer1.0"].decays
    assert sorted(name for group in made.values() for name in group.parameters) == sorted(plan.phases[0].parameters)


def peaks(outline: Outline = OUTLINE, **options: object) -> list[float]:
    """The peak rate of every block in the last phase, in forward order."""
    plan = plan_for(outline, config(**{"epochs": 5, "strategy": "full_finetune", **options}))
    rates = {name: group.rates[-1] for group in groups(outline, plan) for name in group.parameters}
    return [rates[block.parameters[0].name] for block in outline.blocks]


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({}, [1e-4 * 0.9**4, 1e-4 * 0.9**3, 1e-4 * 0.9**2, 1e-4 * 0.9, 1e-3]),
        ({"optimizer": "sgd", "lr_decay": 0.5}, [1e-3 / 16, 1e-3 / 8, 1e-3 / 4, 1e-3 / 2, 1e-2]),
        ({"lr": 1e-2, "lr_decay": 0.5}, [1e-3 / 16, 1e-3 / 8, 1e-3 / 4, 1e-3 / 2, 1e-2]),  # the body goes along
        ({"lr": 1e-2, "body_lr": 3e-5, "lr_decay": 1.0}, [3e-5] * 4 + [1e-2]),
        ({"lr_decay": 1.0}, [1e-4] * 5),
        ({"lr_decay": 1.0, "lr": 1e-2}, [1e-2] * 5),
        ({"strategy": "from_scratch"}, [1e-3] * 5),
        ({"strategy": "from_run", "weights": "run:x"}, [5e-5] * 5),
        ({"strategy": "probe_then_finetune", "lr_decay": 0.5}, [1e-4 / 16, 1e-4 / 8, 1e-4 / 4, 1e-4 / 2, 1e-4]),
    ],
)
def test_head_and_body_have_rates_of_their_own(options: dict[str, object], rates: list[float]) -> None:
    assert peaks(**options) == pytest.approx(rates)


def test_a_body_that_trains_almost_whole_does_not_get_the_rate_of_a_head() -> None:
    plan = planned(strategy="last_stage")
    rates = {group.name: group.rates[0] for group in groups(OUTLINE, plan)}
    assert {name for name, rate in rates.items() if rate > 1e-4} == {"fc", "fc (bias, norm)"}


def test_all_blocks_may_share_one_rate_as_earlier_versions_had_it() -> None:
    few = planned(strategy="last_block", lr_decay=1.0)
    assert {rate for group in groups(OUTLINE, few) for rate in group.rates} == {1e-3}


def test_automatic_decay_leaves_the_first_of_many_blocks_something() -> None:
    many = outline(*(block(f"b{number}", "body", ("weight", 2, "weight")) for number in range(100)), OUTLINE.blocks[-1])
    first, *_, last, head = peaks(many)
    assert first == pytest.approx(1e-5) and 0.9e-4 < last < 1e-4 and head == 1e-3


def test_scaling_a_plan_scales_head_and_body_as_a_rate_that_was_given_does() -> None:
    made, given = scaled(planned(strategy="full_finetune"), 3.0), planned(strategy="full_finetune", lr=3.0 * 1e-3)
    assert groups(OUTLINE, made) == groups(OUTLINE, given), "bit for bit"
    assert max(rate for group in groups(OUTLINE, made)[:-2] for rate in group.rates) == pytest.approx(3e-4 * 0.9)


def test_a_run_that_has_begun_keeps_its_rates() -> None:
    begun = Started(device="cpu", phases=(StartedPhase(epochs=5, lr=0.7),))  # by a version without a rate of the body
    made = as_begun(planned(strategy="full_finetune"), begun)
    assert {rate for group in groups(OUTLINE, made) for rate in group.rates} == {0.7}


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
