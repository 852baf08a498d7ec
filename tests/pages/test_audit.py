"""The audit of every block and every tensor, on the page: in words, in marks, and only then in colour."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.dataset_records import Dataset
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui import audit
from tests.pages import prepared


def audited(workspace: Workspace, dataset: Dataset, verdicts: dict[str, str], **about: object) -> AppTest:
    """Monitor, showing a finished run of gradual unfreezing with these verdicts."""
    run = prepared.run(workspace, dataset, epochs=4, strategy="gradual_unfreeze")
    prepared.audited(workspace, run, verdicts, **about)  # type: ignore[arg-type]
    page = prepared.unfolded(prepared.page("monitor"), f"fold_tensors_{run.id}")
    assert not page.exception
    return page


@pytest.mark.parametrize(
    ("verdicts", "kind", "shown"),
    [
        (
            {},
            "success",
            (
                "fc moved most, by 2 % of what it was. 3 of 4 blocks stayed frozen.",
                "title='conv1: frozen, byte for byte what it was'",
                "title='fc: moved, by 2 % of what it was'",
            ),
        ),
        (
            {"layer1.0": "broken"},
            "error",
            (
                "<i class='b said broken' title='layer1.0: frozen, yet it moved'>✗</i>",
                "1 block should have been frozen and moved.",
            ),
        ),
        (
            {"layer4.1": "idle"},
            "warning",
            ("<i class='b said idle' title='layer4.1: could train, yet something in it stood still'>!</i>",),
        ),
    ],
)
def test_the_audit_is_said_as_good_as_it_is_with_marks_and_words(
    workspace: Workspace, dataset: Dataset, verdicts: dict[str, str], kind: str, shown: tuple[str, ...]
) -> None:
    page = audited(workspace, dataset, {"fc": "trained", **verdicts}, said="The *sentence*.")
    assert r"The \*sentence\*\." in [element.value for element in page.get(kind)]
    for words in shown:
        assert words in prepared.html(page)


def test_what_went_wrong_comes_first_in_the_table(workspace: Workspace, dataset: Dataset) -> None:
    page = audited(workspace, dataset, {"fc": "trained", "layer1.0": "broken"})
    table = next(frame.value for frame in page.dataframe if "Outcome" in frame.value)
    assert list(table["Tensor"][:3]) == ["layer1.0.weight", "layer1.0.bias", "conv1.weight"]
    assert list(table["Moved by"][:2]) == ["not measured", "not measured"]


def test_blocks_released_after_the_epoch_that_was_kept_are_no_warning(workspace: Workspace, dataset: Dataset) -> None:
    # conv1: frozen, as far as the epoch that was kept knows
    late = {"fc": "trained", "layer4.1": "trained", "layer1.0": "idle"}
    page = audited(workspace, dataset, late, best_epoch=2)
    assert not page.warning
    shown = prepared.drawn(page).replace("\\", "")
    assert "Epoch 2, the best, is kept; conv1 and layer1.0 had not started to train" in shown
    assert prepared.html(page).count("<i class='b waiting' title=") == 2
    assert audited(workspace, dataset, late, best_epoch=4).warning  # with the last epoch kept there is no such excuse


def test_a_run_under_way_has_no_audit_yet(workspace: Workspace, dataset: Dataset) -> None:
    run = prepared.run(workspace, dataset)
    (workspace.run(run.id) / "audit.csv").write_text("half")
    page = prepared.page("monitor")
    assert not page.exception
    assert "What moved" not in [heading.value for heading in page.subheader]


def test_predictions_folds_the_audit_and_links_to_its_file(workspace: Workspace, run: Run) -> None:
    prepared.audited(workspace, run, {"fc": "trained"})
    page = prepared.page("predictions")
    assert "What moved and what stayed frozen" in [expander.label for expander in page.expander]
    prepared.unfolded(page, f"fold_audit_{run.id}")
    assert not page.exception
    links = [link["href"] for link in prepared.components(page, "download")]
    assert f"/api/runs/{run.id}/audit.csv" in links


def test_a_block_moves_by_the_root_mean_square_of_what_can_be_compared(workspace: Workspace) -> None:
    (block,) = movements(
        workspace,
        "a,b,s,300,True,True,0.1,trained",
        "c,b,s,100,True,True,0.3,trained",
        "d,b,s,9,True,True,5e+11,trained",
        "e,b,s,9,True,True,1,trained",
    )
    assert block.movement == pytest.approx(((300 * 0.01 + 100 * 0.09) / 400) ** 0.5)
    assert (block.values, block.state) == (418, "moved")


def test_the_statistics_of_batchnorm_do_not_hide_the_weights(workspace: Workspace) -> None:
    rows = "w,b,s,10,True,True,0.01,trained", "bn.running_var,b,s,10,True,True,0.9,trained"
    assert movements(workspace, *rows)[0].movement == pytest.approx(0.01)


def test_names_are_escaped_and_never_read_as_missing(workspace: Workspace) -> None:
    moved = movements(workspace, "w,NA,<b>&',10,False,False,0,frozen")
    assert [block.name for block in moved] == ["NA"]
    assert "<b>" not in audit.movement_strip(moved).replace("<b>1", "")


@pytest.mark.parametrize(
    ("movement", "said"),
    [
        (None, "not measured"),
        (float("inf"), "not measured"),
        (0.0, "0 %"),
        (3e-6, "under 0.001 %"),
        (0.0312, "3.1 %"),
        (0.41, "41 %"),
        (12.0, "12 times"),
        (3e12, "from zero"),
        (1.0, "from zero"),
    ],
)
def test_movements_are_said_as_people_say_them(movement: float | None, said: str) -> None:
    assert audit.amount_moved(movement) == said


def movements(workspace: Workspace, *rows: str) -> tuple[audit.BlockMovement, ...]:
    path = workspace.root / "audit.csv"
    path.write_text("\n".join(("tensor,block,stage,values,may_move,moved,movement,verdict", *rows)) + "\n")
    return audit.block_movements(audit.audit_table(path))
