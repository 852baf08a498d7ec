"""The Configure page by AppTest: what is ticked and typed is exactly what is queued, and nothing unsound can start."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.comparisons.comparison_store import ComparisonStore
from engine.data.dataset_records import Dataset
from engine.jobs.records import Weights
from engine.models.catalog import checkpoints_folder
from engine.models.weights_store import BroughtWeights, Match, record_weights
from engine.record_files import encode
from engine.runconfig import RunConfig
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.training.budget import budgeted
from engine.workspace import Workspace
from pages.ui import forms
from pages.ui.configure import backbones, weights_file
from tests.pages import made, prepared
from tests.pages.prepared import button, drawn, start

ID = "weights-0123456789"


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    prepared.catalog(workspace)
    prepared.outline(workspace)
    return made.dataset(workspace)


@pytest.fixture
def page(dataset: Dataset) -> AppTest:
    return prepared.page("configure")


def tick(page: AppTest, *names: str) -> AppTest:
    for name in names:
        page.checkbox(key=f"strategy_{name}").check()
    return page.run()


def number(page: AppTest, option: str, value: float) -> AppTest:
    page.number_input(key=forms.key_of(option)).set_value(value)
    return page.run()


def patterns(page: AppTest, value: str) -> AppTest:
    page.text_input(key=forms.key_of("patterns")).set_value(value)
    return page.run()


def queued(page: AppTest, workspace: Workspace) -> dict[str, RunConfig]:
    """By strategy, after a click on Start."""
    start(page).click().run()
    assert not page.exception
    return {run.config.strategy: run.config for run in RunStore(workspace).list()}


def test_without_a_dataset_the_page_says_where_to_go(workspace: Workspace) -> None:
    page = prepared.page("configure")
    assert not page.exception
    assert "no dataset yet" in page.info[0].value


def test_a_missing_catalog_is_asked_for_once(workspace: Workspace) -> None:
    made.dataset(workspace)
    page = prepared.page("configure").run()
    assert not page.exception
    assert [job.kind for job in JobStore(workspace).list()] == ["catalog"]


def test_a_backbone_nobody_opened_yet_is_opened_in_the_background(workspace: Workspace) -> None:
    made.dataset(workspace)
    prepared.catalog(workspace)
    page = prepared.page("configure").run()
    (job,) = JobStore(workspace).list()
    assert (job.kind, job.arguments_as(dict)) == ("outline", {"backbone": "resnet18"})
    assert not page.checkbox
    prepared.outline(workspace)
    assert page.run().checkbox


def test_a_failed_job_is_explained_and_can_be_tried_again(workspace: Workspace) -> None:
    made.dataset(workspace)
    prepared.job(workspace, "catalog", {}, error="torchvision cannot be read.")
    page = prepared.page("configure")
    assert "torchvision cannot be read" in page.error[0].value.replace("\\", "")
    button(page, "Try again").click().run()
    assert [job.status for job in JobStore(workspace).list("catalog")] == ["queued", "failed"]


def test_start_makes_a_comparison_of_the_ticked_strategies_and_opens_it(
    workspace: Workspace, dataset: Dataset, page: AppTest
) -> None:
    number(tick(page, "full_finetune"), "epochs", 3)
    page.text_input(key="runs_name").set_value("동물 :red[*x*]")
    number(page, "lr", 0.01)
    assert start(page).label == "Start 4 runs"
    assert "4 runs in one comparison, the cheapest first: Linear probe 1, Full fine-tuning 3." in drawn(page)
    queued(page, workspace)
    made = ComparisonStore(workspace).list()[0]
    runs = ComparisonStore(workspace).runs_of(made.id)
    wanted = [("linear_probe", 0)] + [("full_finetune", seed) for seed in range(3)]
    assert [(run.config.strategy, run.config.seed) for run in runs] == wanted
    same = {(run.config.epochs, run.config.lr, run.config.dataset, run.status) for run in runs}
    assert same == {(3, 0.01, dataset.id, "queued")}
    assert (made.name, made.fingerprint) == ("동물 :red[*x*]", dataset.fingerprint)
    assert page.title[0].value == "Compare"
    assert page.query_params["comparison"] in (made.id, [made.id])
    assert ":red[*x*]" not in drawn(page)


def test_one_strategy_and_one_seed_is_a_plain_run_on_monitor(workspace: Workspace, page: AppTest) -> None:
    page.text_input(key="runs_name").set_value("<img src=x> :red[hot] **b**").run()
    assert start(page).label == "Start 1 run"
    queued(page, workspace)
    (run,) = RunStore(workspace).list()
    assert (run.comparison, run.name) == (None, "<img src=x> :red[hot] **b** linear_probe")
    assert ComparisonStore(workspace).list() == []
    assert page.title[0].value == "Monitor" and ":red[hot]" not in drawn(page)


def test_seeds_can_be_chosen_and_count_from_the_seed_of_the_options(workspace: Workspace, page: AppTest) -> None:
    prepared.stepping(page).number_input(key="seeds").set_value(2)
    assert start(number(page, "seed", 7)).label == "Start 2 runs"
    queued(page, workspace)
    assert [arm.seeds for arm in ComparisonStore(workspace).list()[0].strategies] == [(7, 8)]
    assert sorted(run.config.seed for run in RunStore(workspace).list()) == [7, 8]


def test_options_of_one_strategy_do_not_leak_into_another(workspace: Workspace, page: AppTest) -> None:
    configs = queued(patterns(number(tick(page, "last_n", "named"), "last_n", 3), "layer4*"), workspace)
    assert (configs["last_n"].last_n, configs["last_n"].patterns) == (3, "")
    assert (configs["named"].last_n, configs["named"].patterns) == (2, "layer4*")


def test_two_strategies_that_read_one_option_ask_for_it_once(workspace: Workspace, page: AppTest) -> None:
    number(tick(page, "last_n", "two_phase"), "last_n", 3)
    assert "Blocks to train: 3, as said before" in drawn(page).replace("\\", "")
    wanted = {"linear_probe": 2, "last_n": 3, "two_phase": 3}
    assert {name: config.last_n for name, config in queued(page, workspace).items()} == wanted


def test_patterns_show_what_they_match_and_one_without_a_match_blocks_start(page: AppTest) -> None:
    patterns(tick(page, "named"), "*.bias, layer9")
    shown = drawn(page).replace("\\", "")
    assert "*.bias** matches 4 tensors" in shown
    assert "layer9** matches nothing" in shown
    assert start(page).disabled
    assert any("layer9" in error.value for error in page.error)
    assert not start(patterns(page, "*.bias")).disabled


def test_nothing_ticked_cannot_start(page: AppTest) -> None:
    page.checkbox(key="strategy_linear_probe").uncheck().run()
    assert start(page).disabled
    assert "at least one strategy" in page.error[0].value


def test_an_image_size_the_backbone_cannot_take_blocks_start(page: AppTest) -> None:
    number(prepared.unfolded(page, "fold_options"), "image_size", 16)
    assert start(page).disabled
    assert "Choose a size of at least 33" in page.error[0].value


def test_the_strips_say_what_every_strategy_trains_for_this_number_of_classes(page: AppTest) -> None:
    tick(page, "full_finetune")
    assert "Trains 1 of 4 blocks: 1.54 k of 4.08 M parameters" in prepared.html(page)
    assert "Trains all 4 blocks" in prepared.html(page)


def test_weights_that_are_not_on_disk_leave_three_ways_on(workspace: Workspace, page: AppTest) -> None:
    assert "is not on this machine" in drawn(page) and "resnet18-00000000.pth" in drawn(page)
    assert str(checkpoints_folder()) in [code.value for code in page.code]
    assert not start(page).disabled
    button(page, "Train from random weights").click().run()
    assert "is not on this machine" not in drawn(page)
    assert queued(page, workspace)["linear_probe"].weights == "none"


def test_weights_on_disk_need_no_word(page: AppTest) -> None:
    checkpoints_folder().mkdir(parents=True)
    (checkpoints_folder() / "resnet18-00000000.pth").write_bytes(b"")
    assert "is not on this machine" not in drawn(page.run())


def test_runs_are_offered_as_weights(workspace: Workspace, dataset: Dataset) -> None:
    earlier = prepared.finished(workspace, dataset, correct=30)
    page = prepared.page("configure")
    page.selectbox(key=backbones.WEIGHTS).set_value(f"run:{earlier.id}").run()
    start(page).click().run()
    assert RunStore(workspace).list()[0].config.weights == f"run:{earlier.id}"


def test_a_brought_file_says_what_fitted_and_is_chosen(workspace: Workspace, page: AppTest) -> None:
    record_weights(workspace, BroughtWeights(id=ID, name="mine.pth", tensors=4, bytes=1, created_at="2026-01-01"))
    note = "In the file but not used: *layer9*."
    match = Match(matched=7, missing=("fc.weight",), unexpected=("*layer9*",), reinitialised_head=True, notes=(note,))
    jobs = JobStore(workspace)
    job = jobs.submit("weights", {"upload": "upload-0123456789", "backbone": "resnet18"})
    jobs.claim("1:1")
    jobs.finish(job.id, result=encode(Weights(weights=ID, match=match)))
    page.session_state["weights_job"] = job.id
    page.run()
    assert not page.exception
    assert page.selectbox(key=backbones.WEIGHTS).value == f"file:{ID}"
    assert r"In the file but not used\: \*layer9\*" in drawn(page)


def test_the_match_is_told_in_sentences() -> None:
    match = Match(matched=2, missing=("d",), unexpected=("c",), reinitialised_head=False, notes=("A reason.",))
    assert weights_file.match_sentences(match) == [
        "2 tensors of the file fitted the backbone.",
        "1 tensor of the backbone is not in the file: random values instead.",
        "A reason.",
    ]


def test_another_backbone_brings_its_own_outline(workspace: Workspace, page: AppTest) -> None:
    prepared.unfolded(page, "fold_backbones")
    assert list(page.dataframe[0].value["weights"]) == ["download", "download"]
    page.selectbox(key=backbones.CHOSEN).set_value("vgg11").run()
    assert not page.exception
    assert JobStore(workspace).list("outline")[0].arguments_as(dict) == {"backbone": "vgg11"}


def test_options_that_are_folded_away_count_on_this_page_and_after_a_visit_to_another(
    workspace: Workspace, page: AppTest
) -> None:
    prepared.unfolded(prepared.stepping(page), "fold_options")
    page.selectbox(key=forms.key_of("schedule")).set_value("constant")
    number(page, "image_size", 64)
    page.session_state["fold_options"] = False
    page.run()
    assert forms.key_of("image_size") not in [field.key for field in page.number_input]
    assert "2 options changed" in drawn(page)
    page.switch_page("monitor.py").run()
    page.switch_page("configure.py").run()
    config = queued(page, workspace)["linear_probe_steps"]
    default = RunConfig(dataset="", backbone="").momentum
    assert (config.image_size, config.schedule, config.momentum) == (64, "constant", default)


def test_the_command_repeats_the_run(dataset: Dataset, page: AppTest) -> None:
    number(prepared.unfolded(prepared.stepping(page), "fold_command"), "epochs", 9)
    commands = [code.value for code in page.code if code.value.startswith("python -m engine train")]
    assert commands == [
        f"python -m engine train --dataset {dataset.id} --backbone resnet18 --strategy linear_probe_steps --epochs 9"
    ]


def test_what_automatic_epochs_come_to_is_said_until_a_number_is_given(
    workspace: Workspace, dataset: Dataset, page: AppTest
) -> None:
    planned = budgeted(RunConfig(dataset=dataset.id, backbone="resnet18"), workspace)
    prepared.stepping(page)
    assert planned.epochs > 5 and f"Epochs are automatic: {planned.epochs} of these images" in drawn(page)
    assert "Epochs are automatic" not in drawn(number(page, "epochs", 9))


def test_the_page_waits_for_the_sample_dataset_while_it_is_drawn(workspace: Workspace) -> None:
    jobs = JobStore(workspace)
    job = jobs.submit("sample", {})
    page = prepared.page("configure")
    assert not page.exception
    assert "Drawing the sample dataset" in drawn(page)
    jobs.claim("1:1")
    jobs.finish(job.id, result="{}")
    prepared.catalog(workspace)
    made.dataset(workspace)
    assert page.run().selectbox(key=backbones.CHOSEN).value == "resnet18"


@pytest.mark.parametrize(
    ("fold", "key", "kind"),
    [
        ("fold_rates", "rates_start", "learning_rates"),
        ("fold_probe", "probe_start", "probe"),
        ("fold_forecast", "forecast_start", "forecast"),
    ],
)
def test_a_job_that_failed_says_why_and_can_be_tried_again(
    workspace: Workspace, page: AppTest, fold: str, key: str, kind: str
) -> None:
    prepared.answered(prepared.unfolded(prepared.stepping(page), fold), key, error="The weights cannot be downloaded.")
    assert "The weights cannot be downloaded" in page.error[0].value
    page.button(key=key).click().run()
    assert [job.status for job in JobStore(workspace).list(kind)] == ["queued", "failed"]


def test_where_everything_is_solved_nobody_is_asked_for_steps(workspace: Workspace, page: AppTest) -> None:
    asked = [field.key for field in page.number_input]
    assert forms.key_of("epochs") not in asked and forms.key_of("lr") not in asked
    assert "takes no epochs, no learning rate" in drawn(page) and "Learning rate of the head" not in drawn(page)
    page.number_input(key="seeds").set_value(4).run()
    assert start(page).label == "Start 1 run"
    both = [field.key for field in tick(page, "full_finetune").number_input]
    assert {forms.key_of("epochs"), forms.key_of("lr")} <= set(both)
