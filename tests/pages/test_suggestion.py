"""The suggestion on Configure: one sentence with its reason, ticked with a click, and gone once it is followed."""

from streamlit.testing.v1 import AppTest

from engine.comparisons.suggestion import suggest
from engine.data.dataset_records import Dataset
from engine.runconfig import RunConfig
from engine.workspace import Workspace
from pages.ui import strategies
from pages.ui.configure import backbones
from tests.pages.prepared import drawn


def test_it_says_why_and_is_ticked_with_a_click(page: AppTest, workspace: Workspace, dataset: Dataset) -> None:
    assert "training images a class" in drawn(page)
    page.checkbox(key=strategies.box_of("gradual_unfreeze")).check().run()
    page.button(key="suggestion_take").click().run()
    assert not page.exception
    config = RunConfig(dataset=dataset.id, backbone="resnet18")
    wanted = suggest(config, workspace).strategies
    ticked = {box.key for box in page.checkbox if str(box.key).startswith("strategy_") and box.value}
    assert ticked == {strategies.box_of(name) for name in wanted}
    assert "suggestion_take" not in [button.key for button in page.button]


def test_random_weights_are_told_before_the_start(page: AppTest) -> None:
    page.selectbox(key=backbones.WEIGHTS).select("none").run()
    assert "what is frozen of them teaches nothing" in drawn(page)
