"""What a comparison means: which runs, and in which order."""

import dataclasses

import pytest

from engine.comparisons.comparison import (
    Arm,
    Comparison,
    arm,
    cheapest_first,
    default_seeds,
    expand,
    from_json,
    label_of,
    labels,
    run_name,
    to_json,
    with_arm,
    with_seeds,
)
from engine.errors import ConfigError
from engine.runconfig import RunConfig
from engine.workspace import Workspace
from tests.engine.comparisons.outlines import outline

SHARED = RunConfig(dataset="", backbone="", epochs=4, views=2, data_seed=7)
BOTH = (("resnet18", "default"), ("resnet50", "IMAGENET1K_V2"))


def comparison(*arms: Arm, backbones: tuple[tuple[str, str], ...] = BOTH[:1]) -> Comparison:
    arms = arms or (arm("linear_probe_steps"), arm("last_block"))
    name = "애완동물 =cmd|' /C calc'!A0"
    return Comparison(name=name, dataset="dataset-00000001", backbones=backbones, strategies=arms, shared=SHARED)


def test_every_seed_of_every_arm_on_every_backbone_sees_the_same_pictures():
    runs = expand(comparison(arm("full_finetune", seeds=2), arm("linear_probe_steps", seeds=3), backbones=BOTH))
    assert len(runs) == len(set(runs)) == 2 * (2 + 3)
    assert {(run.dataset, run.data_seed, run.views, run.epochs) for run in runs} == {("dataset-00000001", 7, 2, 4)}
    assert {(run.backbone, run.weights) for run in runs} == set(BOTH)
    assert {run.seed for run in runs if run.strategy == "linear_probe_steps"} == {0, 1, 2}


def test_cheap_strategies_get_more_seeds_unless_a_number_is_given():
    assert (len(default_seeds("linear_probe_steps")), len(default_seeds("full_finetune"))) == (5, 3)
    assert arm("linear_probe_steps", seeds=2).seeds == (0, 1)
    with pytest.raises(ConfigError, match="1 to 100 seeds, not 0"):
        arm("linear_probe_steps", seeds=0)
    with pytest.raises(ConfigError, match="no strategy 'linear'"):
        arm("linear")


def test_arms_differ_in_options_of_their_own_but_never_in_data_or_view_seed():
    arms = [arm("last_n", seeds=1, settings=settings) for settings in ({"last_n": 3}, {"last_n": 4, "lr": 0.1})]
    runs = expand(comparison(*arms))
    assert [(run.last_n, run.lr) for run in runs] == [(3, 0.0), (4, 0.1)]
    for name in ("data_seed", "seed", "dataset", "speed"):
        with pytest.raises(ConfigError, match=f"cannot have {name} of its own"):
            expand(comparison(arm("last_n", settings={name: 1})))
    with pytest.raises(ConfigError, match="must lie between 1 and 200"):
        expand(comparison(arm("last_n", settings={"last_n": 0})))
    with pytest.raises(ConfigError, match="at least one backbone"):
        expand(comparison(backbones=()))
    phases = dataclasses.replace(SHARED, phases="head | 2")
    with pytest.raises(ConfigError, match="all the same"):
        expand(dataclasses.replace(comparison(), shared=phases))


def test_random_weights_are_the_same_run_whatever_the_others_start_from():
    two = (("resnet18", "default"), ("resnet18", "IMAGENET1K_V1"))
    made = comparison(arm("from_scratch", seeds=1), arm("last_block", seeds=1), backbones=two)
    assert [(run.strategy, run.weights) for run in expand(made)] == [
        ("from_scratch", "none"),
        ("last_block", "default"),
        ("last_block", "IMAGENET1K_V1"),
    ]
    assert [label_of(made, run) for run in expand(made)] == [
        "resnet18 from_scratch",
        "resnet18 default last_block",
        "resnet18 IMAGENET1K_V1 last_block",
    ]


def test_little_work_comes_first_and_runs_of_one_cut_stay_together(workspace: Workspace):
    names = ("full_finetune", "bias_norm", "last_n", "linear_probe_steps", "last_block", "gradual_unfreeze")
    arms = [arm(name, seeds=2, settings={"last_n": 2} if name == "last_n" else {}) for name in names]
    runs = cheapest_first(expand(comparison(*arms)), {"resnet18": outline()}, workspace)
    order = [run.strategy for run in runs]
    assert order[:2] == ["linear_probe_steps"] * 2
    assert set(order[2:6]) == {"last_n", "last_block"}, "two blocks train in both: one cut"
    assert order[2] == order[3] and order[4] == order[5], "seeds of an arm are neighbours"
    assert order[-2:] == ["full_finetune"] * 2 and [run.seed for run in runs[:2]] == [0, 1]


def test_a_larger_backbone_comes_later_and_more_epochs_are_more_work(workspace: Workspace):
    outlines = {"resnet18": outline(), "resnet50": outline("resnet50", scale=10)}
    both = comparison(arm("full_finetune", seeds=1), arm("linear_probe_steps", seeds=1), backbones=BOTH)
    order = [(run.backbone, run.strategy) for run in cheapest_first(expand(both), outlines, workspace)]
    assert (order[0], order[-1]) == (("resnet18", "linear_probe_steps"), ("resnet50", "full_finetune"))
    longer = arm("linear_probe_steps", seeds=1, settings={"epochs": 400})
    runs = cheapest_first(expand(comparison(longer, arm("full_finetune", seeds=1))), outlines, workspace)
    assert [run.strategy for run in runs] == ["full_finetune", "linear_probe_steps"]


def test_without_an_outline_strategies_keep_their_order_and_impossible_plans_are_refused_with_one(
    workspace: Workspace,
):
    runs = cheapest_first(
        expand(comparison(arm("full_finetune", seeds=1), arm("linear_probe_steps", seeds=2))), {}, workspace
    )
    assert [run.strategy for run in runs] == ["linear_probe_steps", "linear_probe_steps", "full_finetune"]
    wrong = comparison(arm("named", settings={"patterns": "layer9"}))
    with pytest.raises(ConfigError, match="layer9"):
        cheapest_first(expand(wrong), {"resnet18": outline()}, workspace)


def test_a_comparison_survives_json_with_hostile_and_korean_names():
    made = comparison(arm("named", settings={"patterns": "layer4*, it's; 층"}), backbones=BOTH)
    assert from_json(to_json(made)) == made and "애완동물" in to_json(made)
    with pytest.raises(ConfigError, match="aeons"):
        from_json(to_json(made).replace('"epochs"', '"aeons"'))


def test_names_tell_arms_apart():
    made = comparison(arm("last_n", settings={"last_n": 3}), arm("last_n", settings={"last_n": 4}), backbones=BOTH)
    assert len({run_name(made, run) for run in expand(made)}) == len(expand(made))
    assert run_name(made, expand(made)[0]) == "애완동물 =cmd|' /C calc'!A0: resnet18 last_n last_n=3, seed 0"
    stranger = RunConfig(dataset="x", backbone="vgg11", strategy="last_block")
    assert label_of(made, stranger) == "vgg11 last_block"


def test_what_an_earlier_version_kept_is_named_though_no_new_one_may_be_made():
    kept = comparison(arm("linear_probe_steps", seeds=1), arm("from_run", seeds=1))
    with pytest.raises(ConfigError, match="continues a checkpoint"):
        expand(kept)
    assert list(labels(kept).values()) == ["linear_probe_steps", "from_run"]


def test_more_seeds_go_on_counting_and_an_arm_comes_in_once():
    made = comparison(arm("linear_probe_steps", seeds=2), arm("last_block", seeds=1))
    grown = with_seeds(made, 2)
    assert [arm.seeds for arm in grown.strategies] == [(0, 1, 2, 3), (0, 1, 2)]
    assert [arm.seeds for arm in with_seeds(made, 2, strategy="last_block").strategies] == [(0, 1), (0, 1, 2)]
    assert len(expand(with_arm(made, arm("full_finetune")))) == 6
    with pytest.raises(ConfigError, match="part of this comparison already"):
        with_arm(made, arm("last_block"))
    with pytest.raises(ConfigError, match="not part of this comparison"):
        with_seeds(made, 1, strategy="bias_norm")


def test_what_is_solved_runs_once_however_many_seeds_there_are():
    made = comparison(arm("linear_probe", seeds=3), arm("last_block", seeds=3))
    assert [run.strategy for run in expand(made)] == ["linear_probe", *["last_block"] * 3]
    assert len(expand(with_seeds(made, 2))) == 1 + 5
    assert default_seeds("linear_probe") == (0,)


@pytest.mark.parametrize("settings", [{"mix": "mixup"}, {"phases": "head | 2"}, {"weights": "none"}])
def test_where_seeds_can_differ_all_of_them_run(settings: dict[str, str]):
    assert len(expand(comparison(arm("linear_probe", seeds=3, settings=settings)))) == 3


def test_a_head_that_is_no_linear_layer_is_stepped():
    squeezed = comparison(arm("linear_probe", seeds=2), backbones=(("squeezenet1_1", "default"),))
    assert len(expand(squeezed)) == 2
