"""The ranking of backbones on Configure: asked for once, drawn with what cannot be told apart, taken with a click."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.jobs.records import Accuracy, RankBackbones, RankedBackbone, Ranking
from engine.models.catalog import load_catalog
from engine.workspace import Workspace
from pages.ui.configure import backbones
from tests.pages.prepared import answered, asked, drawn, unfolded

OPEN = "fold_ranking"


def ranked(name: str, accuracy: float) -> RankedBackbone:
    ridge = Accuracy(accuracy=accuracy, low=accuracy - 0.05, high=accuracy + 0.05)
    return RankedBackbone(backbone=name, weights="default", ridge=ridge, milliseconds=12.0)


FOUND = Ranking(
    rows=(
        ranked("vgg11", 0.9),
        ranked("resnet18", 0.88),
        RankedBackbone(backbone="alexnet", weights="default", problem="It cannot be opened [x](http://evil)."),
    ),
    alike=1,
    images=90,
    of=120,
)


@pytest.fixture
def stocked(page: AppTest, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Configure on a machine that has the weights of every backbone of the catalog."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    catalog = load_catalog(workspace)
    assert catalog is not None
    for entry in (entry for info in catalog.backbones for entry in info.weights):
        (tmp_path / "hub" / "checkpoints" / entry.file_name).touch()
    return unfolded(page, OPEN)


def test_without_weights_there_is_nothing_to_ask(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "nothing to rank" in drawn(unfolded(page, OPEN))
    assert "ranking_start" not in [button.key for button in page.button]


def test_it_asks_about_what_is_on_this_machine(stocked: AppTest) -> None:
    job = asked(stocked, "ranking_start")
    assert job.arguments_as(RankBackbones).backbones == (("resnet18", "default"), ("vgg11", "default"))


def test_the_best_is_said_with_its_equals_and_taken_with_a_click(stocked: AppTest) -> None:
    shown = drawn(answered(stocked, "ranking_start", FOUND))
    assert "vgg11 reads these classes best" in shown and "cannot be told apart from resnet18" in shown
    assert "[x](http://evil)" not in shown
    table = next(frame.value for frame in stocked.dataframe if "ms an image" in frame.value)
    assert table["Note"].tolist()[:2] == ["", "not shown to be worse"] and "cannot be opened" in table["Note"][2]
    stocked.button(key="ranking_use").click().run()
    assert not stocked.exception and stocked.session_state[backbones.CHOSEN] == "vgg11"
